"""Whole result files, put together by Cloud Storage itself: no byte of them passes through a function.

One call takes so many objects and no more (`Bounds.composed_objects`). So of more, runs of that many are composed
first, and the wholes of these next.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from nightshift import storage
from nightshift.runtime import Runtime

_AT_ONCE: Final = 8


async def compose(runtime: Runtime, paths: Sequence[str], into: str, content_type: str) -> None:
    """Put objects of our bucket together, in this order. Raises NotFound and TryLater.

    It may be repeated: the same objects make the same whole.
    """
    at_once, most = asyncio.Semaphore(_AT_ONCE), runtime.instance.bounds.composed_objects

    async def one(sources: Sequence[str], whole: str) -> str:
        async with at_once:
            await asyncio.to_thread(_compose, runtime, sources, whole, content_type)
        return whole

    level = 0
    while len(paths) > most:
        level += 1
        runs = [paths[start : start + most] for start in range(0, len(paths), most)]
        paths = await asyncio.gather(*(one(run, f"{run[0]}.{level}") for run in runs))
    await one(paths, into)


def _compose(runtime: Runtime, sources: Sequence[str], whole: str, content_type: str) -> None:
    blob = runtime.artifacts.blob(whole)
    blob.content_type = content_type
    with storage.translated_errors():
        blob.compose([runtime.artifacts.blob(path) for path in sources])
