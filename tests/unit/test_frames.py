"""Frames survive being cut into pieces, and what is no frame is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matins.execution.frames import HEAD_BYTES, DamagedChannel, FrameReader, pack

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)))


@given(FRAMES, st.lists(st.integers(1, 40)))
def test_frames_arrive_whole_and_in_order_however_they_are_cut(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(pack(kind, payload) for kind, payload in frames)
    reader, got, start = FrameReader(), [], 0
    for size in [*cuts, len(stream)]:
        got += reader.feed(stream[start : start + size])
        start += size
    assert got == frames
    assert not reader.midway


def test_a_frame_that_claims_to_be_too_large_is_refused_before_it_arrives() -> None:
    reader = FrameReader(largest=100)
    assert reader.feed(pack(1, b"x" * 100)) == [(1, b"x" * 100)]
    with pytest.raises(DamagedChannel, match="101"):
        reader.feed(pack(1, b"x" * 101)[:HEAD_BYTES])


def test_a_frame_that_claims_to_be_too_large_is_refused_in_pieces_too() -> None:
    reader = FrameReader(largest=100)
    head = pack(1, b"x" * 101)[:HEAD_BYTES]
    assert reader.feed(head[:2]) == []
    assert reader.midway
    with pytest.raises(DamagedChannel):
        reader.feed(head[2:])
