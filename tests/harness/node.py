"""Programs in Node: unmodified JavaScript clients that tell what they are told, one JSON object a line."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pytest

JS: Final = Path(__file__).parents[1] / "js"
WITHIN: Final = 30.0
"""Seconds a program may take for a step; two busy cores need some."""


def node() -> str:
    """Return Node's path; without it or the packages of tests/js the test is skipped."""
    found = shutil.which("node")
    if found is not None and (JS / "node_modules" / "eventsource").exists():
        return found
    pytest.skip("needs Node >= 18 and the packages of tests/js (make clients)")


class NodeProgram:
    """A program of tests/js that runs while its block does; it ends when its standard input does."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._command = [node(), str(JS / name), *arguments]
        self._process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None]
        self.told: list[dict[str, Any]] = []
        """Everything it has told, in order."""
        self._news = asyncio.Condition()
        self._asked = 0

    def __repr__(self) -> str:
        return f"NodeProgram({self._command[1]}, told {len(self.told)})"

    def of(self, kind: str) -> list[Any]:
        """Return what it has told of one kind."""
        return [line[kind] for line in self.told if kind in line]

    async def tells(self, kind: str, count: int = 1) -> list[Any]:
        """Return what it has told of one kind, once that is so many things."""
        async with asyncio.timeout(WITHIN), self._news:
            while len(self.of(kind)) < count:
                assert not self._reader.done(), f"it ended, having told {self.told}"
                await self._news.wait()
        return self.of(kind)

    async def ask(self, root: str, *chain: Sequence[Any]) -> dict[str, Any]:
        """Have a program that takes calls make some, and return its answer: a ``value`` or an ``error``."""
        self._asked += 1
        asked = self._asked
        line = msgspec.json.encode({"id": asked, "root": root, "chain": chain})
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        async with asyncio.timeout(WITHIN), self._news:
            while True:
                for answer in self.of("answer"):
                    if answer["id"] == asked:
                        return dict(answer)
                assert not self._reader.done(), f"it ended, having told {self.told}"
                await self._news.wait()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read(), name="node-program")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(WITHIN):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            code = await self._process.wait()
        await self._reader
        assert kind is not None or code == 0, f"{self!r} ended with {code}"

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.told.append(msgspec.json.decode(line))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()
