"""Where examples of one kind are played: one world for all of them, and a new one after each that failed.

So a failure is shrunk in worlds in which nothing else happened, and what hypothesis calls flaky needed what was played
before it.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Self

import pytest

from tests.fuzz.kind import Kind
from tests.support.world import World


class Stage:
    """The worlds of one kind, one after the other."""

    def __init__(self, kind: Kind) -> None:
        self.inputs = 0
        self._kind = kind
        self._loop = asyncio.Runner()
        self._env = pytest.MonkeyPatch()
        self._parts = AsyncExitStack()
        self._world: World | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._loop.close()

    def play(self, example: Any) -> None:
        """Play an example to its end. Raises AssertionError at a broken property."""
        try:
            self.inputs += self._loop.run(self._play(example))
        except BaseException:
            self._close()
            raise

    async def _play(self, example: Any) -> int:
        if self._world is None:
            self._world = World(self._env)
            self._kind.prepare(self._world)
            await self._parts.enter_async_context(self._world.running())
            await self._kind.begin(self._world)
        return await self._kind.play(self._world, example)

    def _close(self) -> None:
        self._world = None
        self._loop.run(self._parts.aclose())
        self._env.undo()
