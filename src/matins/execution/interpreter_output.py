"""An interpreter's standard output, standard error and logging, sent over its channel to keep their order.

What is written past Python, to the descriptors themselves, goes through the pipes the supervisor holds, and
so does everything a forked process writes.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress

from matins.execution.frames import FromInterpreter
from matins.execution.interpreter_channel import Channel


class _Raw(io.RawIOBase):
    """Bytes for one of the streams."""

    def __init__(self, channel: Channel, kind: int, fd: int) -> None:
        self._channel = channel
        self._kind = kind
        self._fd = fd

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: object) -> int:
        content = bytes(memoryview(data))  # type: ignore[arg-type]
        if self._channel.ours:
            self._channel.write(self._kind, content)
            return len(content)
        return os.write(self._fd, content)


class ChannelHandler(logging.Handler):
    """Sends log records over the channel, each with its level."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not fail the job; logging's own rule
            self.handleError(record)
            return
        if self._channel.ours:
            self._channel.log(record.levelname, text)
        else:
            os.write(2, f"{text}\n".encode("utf-8", "replace"))


class Output:
    """The streams of this interpreter."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._streams: dict[str, io.TextIOWrapper] = {}

    def install(self) -> None:
        """Put the streams in place, also where a job has replaced or closed them."""
        for name, kind, fd in (("stdout", FromInterpreter.STDOUT, 1), ("stderr", FromInterpreter.STDERR, 2)):
            stream = self._streams.get(name)
            if stream is None or stream.closed:
                stream = self._streams[name] = self._stream(kind, fd)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def _stream(self, kind: int, fd: int) -> io.TextIOWrapper:
        buffered = io.BufferedWriter(_Raw(self._channel, kind, fd))
        return io.TextIOWrapper(buffered, "utf-8", "backslashreplace", line_buffering=True)

    def in_place(self) -> bool:
        """Whether the streams are as installed."""
        return (
            sys.stdout is self._streams["stdout"]
            and sys.stderr is self._streams["stderr"]
            and not sys.stdout.closed
            and not sys.stderr.closed
        )

    def flush(self) -> None:
        """Send what was written; a stream the job broke keeps its secret."""
        for stream in {sys.stdout, sys.stderr, *self._streams.values()}:
            with suppress(Exception):  # The stream may be any object of the job's.
                stream.flush()

    def capture_logging(self) -> None:
        """Send what reaches the root logger over the channel, instead of as text to standard error.

        A handler of the application's that writes to the standard streams is replaced, its format kept.
        """
        root = logging.getLogger()
        ours = ChannelHandler(self._channel)
        written = [h for h in root.handlers if isinstance(h, logging.StreamHandler) and self._is_standard(h)]
        for handler in written:
            root.removeHandler(handler)
            ours.setFormatter(handler.formatter)
        if not root.handlers and not written and root.level == logging.WARNING:
            root.setLevel(logging.INFO)
        root.addHandler(ours)

    def _is_standard(self, handler: logging.StreamHandler[io.TextIOBase]) -> bool:
        return handler.stream in self._streams.values()
