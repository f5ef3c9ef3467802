"""Log lines reach their reader, and never wait for one that is gone or asleep."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from matins.telemetry.log_stream import LogStream

Pipe = tuple[int, LogStream]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe of four pages, and the log's end of it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 16384)
    with os.fdopen(writer, "w") as stream:
        yield reader, LogStream(stream)
    if os.path.exists(f"/proc/self/fd/{reader}"):
        os.close(reader)


def test_a_line_is_written_when_its_end_comes(pipe: Pipe) -> None:
    reader, stream = pipe
    stream.write("half")
    stream.write(" a line, naïve \udc80")
    stream.write("\n")
    assert os.read(reader, 100).decode() == "half a line, naïve \\udc80\n"


def test_lines_nobody_reads_are_dropped_and_counted_when_somebody_does_again(pipe: Pipe) -> None:
    reader, stream = pipe
    for _ in range(30):
        stream.write("x" * 1000 + "\n")
    taken = os.read(reader, 65536)
    assert len(taken) <= 16384
    stream.write("new\n")
    assert os.read(reader, 65536).endswith(b"lines were dropped: nobody read them)\nnew\n")


def test_a_reader_that_has_gone_is_no_error(pipe: Pipe) -> None:
    reader, stream = pipe
    os.close(reader)
    stream.write("nobody hears this\n")
    stream.flush()
