"""Notices that source files changed, by asking twice a second: that works on every system and file system."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

_LOOK_EVERY_SECONDS = 0.5

_Seen = dict[Path, tuple[int, int]]


async def changes(folder: Path) -> AsyncIterator[list[str]]:
    """The Python files below a folder that were added, changed or removed since the last time, by name."""
    seen = await asyncio.to_thread(_look, folder)
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        now = await asyncio.to_thread(_look, folder)
        if changed := {path for path in seen.keys() | now.keys() if seen.get(path) != now.get(path)}:
            seen = now
            yield sorted(str(path.relative_to(folder)) for path in changed)


def _look(folder: Path) -> _Seen:
    seen: _Seen = {}
    for path in folder.rglob("*.py"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        seen[path] = (found.st_mtime_ns, found.st_size)
    return seen
