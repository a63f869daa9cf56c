"""Says why a job was refused or failed as soon as a function logs it: on the job is only the sentence for its user.

A developer whose app writes a wrong field sees at once which one it is.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

_EVENTS: Final = {"job_refused": "refused", "job_failed": "failed", "answer_failed": "failed"}
_LOOK_EVERY_SECONDS: Final = 0.5


async def follow_refusals(logs: Sequence[Path], say: Callable[[str], None]) -> None:
    """Follow the logs of the functions, until cancelled."""
    read = dict.fromkeys(logs, 0)
    while True:
        for log in logs:
            content = await asyncio.to_thread(_from, log, read[log])
            whole = content[: content.rfind(b"\n") + 1]
            read[log] += len(whole)
            for sentence in _told(whole):
                say(sentence)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _from(log: Path, start: int) -> bytes:
    with log.open("rb") as file:
        file.seek(start)
        return file.read()


def _told(lines: bytes) -> Iterator[str]:
    for line in lines.splitlines():
        if not any(event.encode() in line for event in _EVENTS):
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if what := _EVENTS.get(event.get("message")):
            yield f"Job {event.get('job_id')} {what} ({event.get('code')}): {event.get('reason')}"
