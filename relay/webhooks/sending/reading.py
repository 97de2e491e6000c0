"""Reading one answer as its bytes come: the head, and the body's beginning. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, final

from relay.webhooks.attempts import CAPTURE
from relay.webhooks.sending.heads import Head, end, read

MAX_LINE: Final = 4096
"""Bytes a line of the chunked coding may have, and all trailer fields together."""

SHORT: Final = 512
"""Bytes of an answer that is remembered: a head, and a word or two."""
REMEMBERED: Final = 1024
"""Answers that are remembered."""

_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_MORE: Final = -1
"""What a step returns that needs bytes which have not come."""


@final
class Reading:
    """One answer. It is done when it is complete, broken off, or longer than what is kept of it.

    Each step takes all bytes there are and a place in them, and returns where it got to: however small the
    pieces of an answer are, nothing is copied for each.
    """

    __slots__ = ("_left", "_rest", "_step", "body", "done", "head", "keep", "truncated")

    _step: Callable[[Reading, bytes, int], int]

    def __init__(self) -> None:
        self.head: Head | None = None
        self.body = b""
        """The first `CAPTURE` bytes at most."""
        self.truncated = False
        """There was more, or it broke off."""
        self.done = False
        self.keep = False
        """The connection may be used again."""
        self._rest = b""
        self._left = 0  # of the body or chunk; of a head, what was searched
        self._step = Reading._read_head

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._rest)} bytes wait for {self._step.__name__}"
        return f"Reading({self.head and self.head.status}, {len(self.body)} bytes kept, {state})"

    def feed(self, data: bytes) -> bool:
        """Take what came; return whether the answer is done.

        Raises:
            MalformedAnswerError: it is none.

        """
        data, at = (self._rest + data if self._rest else data), 0
        while not self.done:
            reached = self._step(self, data, at) if at < len(data) else _MORE
            if reached == _MORE:
                self._rest = data[at:]
                return False
            at = reached
        if at < len(data):
            self.keep = False  # bytes beyond the answer's end: nothing says what they are
        self._rest = b""
        return True

    def end(self, *, clean: bool) -> bool:
        """Take the connection's end, clean or by an error; return whether there is an answer by it."""
        if self.head is None:
            return False
        if not self.done:
            self.truncated = not clean or self.head.chunked or self.head.length is not None
            self.done = True
        return True

    def _read_head(self, data: bytes, at: int) -> int:
        until = end(data, at, self._left)
        if until < 0:
            self._left = len(data) - at
            return _MORE
        self._left = 0
        head = read(data[at:until])
        if head.interim:
            return until
        self.head, self.keep = head, head.keep
        if head.chunked:
            self._step = Reading._read_size
        elif head.length is None:
            self.keep = False
            self._step = Reading._read_to_end
        elif head.length:
            self._left = head.length
            self._step = Reading._read_length
        else:
            self.done = True
        return until

    def _read_to_end(self, data: bytes, at: int) -> int:
        self._capture(data, at, len(data))
        return len(data)

    def _read_length(self, data: bytes, at: int) -> int:
        until = self._take(data, at)
        if not self._left:
            self.done = True
        elif len(self.body) == CAPTURE:
            self._break_off()
        return until

    def _read_size(self, data: bytes, at: int) -> int:
        line = _CHUNK.match(data, at, at + MAX_LINE)
        if line is None:
            return self._short_of_a_line(data, at)
        self._left = int(line[1], 16)
        self._step = Reading._read_chunk if self._left else Reading._read_trailers
        return line.end()

    def _read_chunk(self, data: bytes, at: int) -> int:
        until = self._take(data, at)
        if not self._left:
            self._step = Reading._read_chunk_end
        return until

    def _read_chunk_end(self, data: bytes, at: int) -> int:
        begins = data[at : at + 2]
        if begins == b"\r":
            return _MORE
        if begins != b"\r\n" and begins[:1] != b"\n":
            return self._break_off(at)
        self._step = Reading._read_size
        return at + 1 + (begins == b"\r\n")

    def _read_trailers(self, data: bytes, at: int) -> int:
        newline = data.find(b"\n", at, at + MAX_LINE)
        if newline < 0:
            return self._short_of_a_line(data, at)
        self._left += newline - at
        if self._left > MAX_LINE:
            return self._break_off(at)
        self.done = data[at:newline] in (b"", b"\r")
        return newline + 1

    def _short_of_a_line(self, data: bytes, at: int) -> int:
        if len(data) - at >= MAX_LINE or data.find(b"\n", at) >= 0:
            return self._break_off(at)
        return _MORE

    def _take(self, data: bytes, at: int) -> int:
        """Take what there is of the body or of a chunk."""
        until = min(len(data), at + self._left)
        self._left -= until - at
        self._capture(data, at, until)
        return until

    def _capture(self, data: bytes, at: int, until: int) -> None:
        room = CAPTURE - len(self.body)
        self.body += data[at : min(until, at + room)]
        if until - at > room:
            self._break_off()

    def _break_off(self, at: int = 0) -> int:
        """Leave it at what has come: the connection is of no more use."""
        self.truncated = self.done = True
        self.keep = False
        return at


@lru_cache(REMEMBERED)
def _read(data: bytes) -> Reading | None:
    reading = Reading()
    return reading if reading.feed(data) else None


def whole(data: bytes) -> Reading | None:
    """Return a short answer that came in one piece, as most do, read once however often it comes.

    None if there is more to come. Raises MalformedAnswerError.
    """
    return _read(data) if len(data) <= SHORT else None
