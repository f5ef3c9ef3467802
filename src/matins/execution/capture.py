"""What a run prints and logs, bounded: the head as it comes, the tail at the end, a mark for what was cut.

The first half of the allowance is kept line by line and may be streamed. What comes after goes round in a
ring of raw pieces that is cut into lines only when the run has ended, so a gigabyte printed costs copying,
not parsing, and no memory beyond the allowance. Reading the pipes is the supervisor's business.
"""

from __future__ import annotations

from collections import deque

Line = list[object]
"""``[number, at, stream, text, level]``, ready for JSON."""

MARK = "CUT"
"""The level of the line that stands for what was cut."""
_MERGE_BELOW = 4096


class Source:
    """Where a piece of output came from: the stream it belongs to, and the level of a log record.

    The interpreter's own writes and what arrives through the pipe are separate sources of one stream: a line
    begun in one must not be finished by the other.
    """

    __slots__ = ("level", "stream")

    def __init__(self, stream: str, level: str | None = None) -> None:
        self.stream = stream
        self.level = level


class LineCutter:
    """Cuts one source's bytes into lines of bounded length."""

    __slots__ = ("_dropped", "_largest", "_pending")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._pending = b""
        self._dropped = 0

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes | None, int]:
        """The next whole line from `start` on and where the one after begins; None when the line goes on."""
        end = data.find(b"\n", start)
        if end < 0:
            self._keep(data[start:])
            return None, len(data)
        self._keep(data[start:end])
        return self.rest(), end + 1

    def _keep(self, piece: bytes) -> None:
        room = self._largest - len(self._pending)
        if len(piece) > room:
            self._dropped += len(piece) - room
            piece = piece[:room]
        self._pending += piece

    @property
    def unfinished(self) -> bool:
        """Whether a line was begun that no newline has ended."""
        return bool(self._pending)

    def rest(self) -> bytes:
        """The unfinished line, as far as it goes."""
        line, dropped = self._pending, self._dropped
        self._pending, self._dropped = b"", 0
        if dropped:
            line += f" … [{dropped} bytes cut]".encode()
        return line


class _Ring:
    """The latest pieces of output within an allowance of bytes and lines."""

    def __init__(self, *, lines: int, size: int) -> None:
        self._max_lines = lines
        self._max_size = size
        self._pieces: deque[tuple[Source, bytes, float, int]] = deque()
        self._lines = 0
        self._size = 0

    def add(self, source: Source, data: bytes, at: float) -> None:
        lines = data.count(b"\n")
        self._lines += lines
        self._size += len(data)
        pieces = self._pieces
        if pieces and pieces[-1][0] is source and len(pieces[-1][1]) < _MERGE_BELOW:
            _, before, began, count = pieces.pop()
            pieces.append((source, before + data, began, count + lines))
        else:
            pieces.append((source, data, at, lines))
        self._shrink()

    def _shrink(self) -> None:
        pieces = self._pieces
        while len(pieces) > 1:
            _, first, _, count = pieces[0]
            fits = self._size - len(first) < self._max_size and self._lines - count < self._max_lines
            if fits and len(pieces) <= 4 * self._max_lines:
                return
            pieces.popleft()
            self._size -= len(first)
            self._lines -= count

    def lines(self, largest: int) -> list[tuple[float, Source, bytes]]:
        found: list[tuple[float, Source, bytes]] = []
        cutters: dict[Source, LineCutter] = {}
        for source, data, at, _ in self._pieces:
            cutter = cutters.setdefault(source, LineCutter(largest))
            start = 0
            while start < len(data):
                line, start = cutter.feed(data, start)
                if line is not None:
                    found.append((at, source, line))
        found += [(at, s, c.rest()) for s, c in cutters.items() if c.unfinished]
        return self._last(found)

    def _last(self, found: list[tuple[float, Source, bytes]]) -> list[tuple[float, Source, bytes]]:
        size, first = 0, len(found)
        while first > max(0, len(found) - self._max_lines):
            size += len(found[first - 1][2])
            if size > self._max_size:
                break
            first -= 1
        return found[first:]


class Capture:
    """One run's output."""

    def __init__(self, *, max_lines: int, max_bytes: int, max_line_bytes: int) -> None:
        self._lines_left = self._tail_lines = max_lines // 2
        self._bytes_left = self._tail_bytes = max_bytes // 2
        self._largest = max_line_bytes
        self._cutters: dict[Source, LineCutter] = {}
        self._fresh: list[Line] = []
        self._number = 0
        self._ring: _Ring | None = None
        self._beyond_lines = 0
        self._beyond_bytes = 0

    @property
    def fresh(self) -> bool:
        """Whether lines wait to be taken."""
        return bool(self._fresh)

    def write(self, source: Source, data: bytes, at: float) -> None:
        """Take what a source wrote, in whatever pieces."""
        start = 0
        while start < len(data):
            if self._ring is not None:
                self._beyond(source, data[start:] if start else data, at)
                return
            cutter = self._cutters.get(source)
            if cutter is None:
                cutter = self._cutters[source] = LineCutter(self._largest)
            line, start = cutter.feed(data, start)
            if line is not None:
                self._keep(source, line, at)

    def say(self, source: Source, text: bytes, at: float) -> None:
        """Take whole lines, such as a log record's."""
        self.write(source, text + b"\n", at)

    def _keep(self, source: Source, line: bytes, at: float) -> None:
        self._number += 1
        self._fresh.append(_line(self._number, at, source, line))
        self._lines_left -= 1
        self._bytes_left -= len(line)
        if self._lines_left <= 0 or self._bytes_left <= 0:
            self._overflow(at)

    def _overflow(self, at: float) -> None:
        self._ring = _Ring(lines=self._tail_lines, size=self._tail_bytes)
        for source, cutter in self._cutters.items():
            if cutter.unfinished:
                self._beyond(source, cutter.rest(), at)

    def _beyond(self, source: Source, data: bytes, at: float) -> None:
        assert self._ring is not None  # noqa: S101
        self._ring.add(source, data, at)
        self._beyond_lines += data.count(b"\n")
        self._beyond_bytes += len(data)

    def take(self) -> list[Line]:
        """The lines of the head that came since the last call."""
        lines, self._fresh = self._fresh, []
        return lines

    def finish(self, at: float) -> list[Line]:
        """Everything not yet taken: the rest of the head, the mark, the tail."""
        if self._ring is None:
            for source, cutter in list(self._cutters.items()):
                if cutter.unfinished:
                    self._keep(source, cutter.rest(), at)
        lines = self.take()
        if self._ring is not None:
            lines += self._tail(self._ring, at)
        return lines

    def _tail(self, ring: _Ring, at: float) -> list[Line]:
        kept = ring.lines(self._largest)
        total = max(self._beyond_lines, len(kept))
        cut_lines = total - len(kept)
        cut_bytes = self._beyond_bytes - sum(len(line) + 1 for _, _, line in kept)
        lines: list[Line] = []
        if cut_lines > 0:
            text = f"… {cut_lines} lines ({max(0, cut_bytes)} bytes) cut …"
            lines.append([self._number + 1, kept[0][0] if kept else at, "log", text, MARK])
        first = self._number + 1 + cut_lines
        return lines + [_line(first + n, when, source, line) for n, (when, source, line) in enumerate(kept)]


def _line(number: int, at: float, source: Source, line: bytes) -> Line:
    text = line.decode("utf-8", "replace").rstrip("\r").replace("\0", "\ufffd")
    return [number, at, source.stream, text, source.level]
