"""How long the local server takes for an answer in real time, and how many it makes at once."""

import asyncio
import random


class AnswerPace:
    """Each answer takes `least_seconds` to `most_seconds`; `at_once` are made at once, 0 for any number."""

    def __init__(self, least_seconds: float, most_seconds: float, at_once: int = 0) -> None:
        self._least_seconds = least_seconds
        self._most_seconds = max(least_seconds, most_seconds)
        self._turns = asyncio.Semaphore(at_once) if at_once else None

    async def wait(self) -> None:
        """Take the time of an answer, after those that came before, if need be."""
        seconds = random.uniform(self._least_seconds, self._most_seconds)  # noqa: S311 - a stand-in's time, no secret
        if self._turns is None:
            await asyncio.sleep(seconds)
            return
        async with self._turns:
            await asyncio.sleep(seconds)
