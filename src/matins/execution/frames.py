"""Frames: how the daemon, a slot's supervisor and its interpreter talk over their sockets.

A frame is four bytes of length, one byte of kind and a payload. This module knows the kinds and where one
frame ends; what a payload means is the business of whoever sends and reads it. It is imported by the
supervisor, so it imports next to nothing.
"""

from __future__ import annotations

from struct import Struct

_HEAD = Struct(">IB")
HEAD_BYTES = _HEAD.size
LARGEST_PAYLOAD = 64 * 1024 * 1024
"""What is longer than this is no frame but a damaged channel."""


class ToSupervisor:
    """What a daemon tells a supervisor."""

    ORDER = 1
    """Run this: a header in JSON, a newline, and what the interpreter is to be told."""
    STOP = 2
    """Stop this run, for this reason."""
    CLOSE = 3
    """Give back what has not begun, stop what has, and exit."""


class ToDaemon:
    """What a supervisor tells its daemon."""

    BEGUN = 1
    ENDED = 2
    """A header in JSON, a newline, and what the interpreter answered (or nothing)."""
    RETURNED = 3
    OUTPUT = 4
    PROGRESS = 5
    FAULT = 6


class ToInterpreter:
    """What a supervisor tells its interpreter."""

    RUN = 1
    STOP = 2
    """Precedes the supervisor's SIGTERM, and so tells it from anybody else's."""


class FromInterpreter:
    """What an interpreter tells its supervisor."""

    READY = 1
    """The application is imported."""
    UNLOADABLE = 2
    """The application cannot be imported; the payload says why."""
    RESULT = 3
    """One byte of flags (`ResultFlags`), then the outcome in JSON."""
    STDOUT = 4
    STDERR = 5
    LOG = 6
    """A level, a newline, a text."""
    PROGRESS = 7


class ResultFlags:
    """The first byte of a result."""

    SUCCEEDED = 1
    LEAKED = 2
    """The run left threads behind: the interpreter is not to be used again."""


class DamagedChannel(ValueError):
    """What arrived is not a frame."""


def pack(kind: int, payload: bytes = b"") -> bytes:
    """One frame, ready to be sent."""
    return _HEAD.pack(len(payload), kind) + payload


class FrameReader:
    """Cuts a stream of bytes into frames, whatever pieces it arrives in."""

    __slots__ = ("_largest", "_pending")

    def __init__(self, largest: int = LARGEST_PAYLOAD) -> None:
        self._pending = bytearray()
        self._largest = largest

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete once `data` has arrived, as pairs of kind and payload.

        Raises:
            DamagedChannel: a frame announces more than the largest payload.
        """
        if self._pending:
            self._pending += data
            data = bytes(self._pending) if self._complete() else b""
            if not data:
                return []
        frames, end = self._cut(data)
        self._pending = bytearray(data[end:])
        return frames

    def _complete(self) -> bool:
        # A large frame arrives in many pieces: copying all of them at each would cost the square of its size.
        if len(self._pending) < HEAD_BYTES:
            return False
        length, _ = _HEAD.unpack_from(self._pending)
        self._check(length)
        return bool(len(self._pending) >= HEAD_BYTES + length)

    def _cut(self, data: bytes) -> tuple[list[tuple[int, bytes]], int]:
        frames: list[tuple[int, bytes]] = []
        start, size = 0, len(data)
        while size - start >= HEAD_BYTES:
            length, kind = _HEAD.unpack_from(data, start)
            if length > self._largest:
                self._check(length)
            end = start + HEAD_BYTES + length
            if end > size:
                break
            frames.append((kind, data[start + HEAD_BYTES : end]))
            start = end
        return frames, start

    def _check(self, length: int) -> None:
        if length > self._largest:
            message = f"a frame of {length} bytes was announced, more than {self._largest}"
            raise DamagedChannel(message)

    @property
    def midway(self) -> bool:
        """Whether part of a frame has arrived and the rest has not."""
        return bool(self._pending)
