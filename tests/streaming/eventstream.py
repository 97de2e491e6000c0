"""A strict reader of event streams: WHATWG HTML, section 9.2.6, and RFC 9112, section 7.1."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec


class Received(NamedTuple):
    """An event as a client sees it."""

    type: str
    data: str
    last_id: str

    @property
    def digits(self) -> int:
        """The number a tone carries, see `tests.streaming.publishing`."""
        return int(msgspec.json.decode(self.data)["digits"])


class Reader:
    """Takes bytes as they come, and keeps what a client would have been told."""

    def __init__(self) -> None:
        self.events: list[Received] = []
        self.retries: list[int] = []
        self.comments = 0
        self.last_id = ""
        self._rest = b""
        self._type = ""
        self._data: list[str] = []
        self._first = True

    def feed(self, data: bytes) -> None:
        """Take bytes; a line is read once it is complete."""
        if self._first and data:
            self._first = False
            assert not data.startswith(b"\xef\xbb\xbf"), "a byte order mark is of no use"
        *lines, self._rest = re.split(rb"\r\n|\n|\r", self._rest + data)
        for line in lines:
            self._line(line.decode("utf-8", errors="strict"))

    def drop_rest(self) -> None:
        """Forget what is unfinished, as a client does at the end of a stream."""
        self._rest, self._type, self._data, self._first = b"", "", [], True

    def _line(self, line: str) -> None:
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        else:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))

    def _field(self, name: str, value: str) -> None:
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id":
                assert "\0" not in value, "the client ignores such an id"
                self.last_id = value
            case "retry":
                assert value.isascii()
                assert value.isdigit(), "the client ignores such a retry"
                self.retries.append(int(value))
            case _:
                raise AssertionError(f"the client ignores the field {name!r}")

    def _dispatch(self) -> None:
        if self._data:
            self.events.append(Received(self._type or "message", "\n".join(self._data), self.last_id))
        self._type, self._data = "", []


class Dechunker:
    """Takes a chunked body as it comes and gives what is in it."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what the complete chunks hold."""
        self._rest += data
        found = b""
        while (end := self._rest.find(b"\r\n")) >= 0:
            head = self._rest[:end]
            assert re.fullmatch(rb"[0-9a-f]+", head), f"no chunk size: {head!r}"
            size = int(head, 16)
            if len(self._rest) < end + 2 + size + 2:
                break
            body = self._rest[end + 2 : end + 2 + size]
            assert self._rest[end + 2 + size : end + 4 + size] == b"\r\n"
            self._rest = self._rest[end + 4 + size :]
            if size == 0:
                self.ended = True
                assert not self._rest, "nothing may follow the last chunk"
                break
            found += body
        return found
