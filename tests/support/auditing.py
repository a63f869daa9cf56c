"""A night with every kind of end, and the operators' audit of it, as a program reads it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule
from tests.support.operating import operate
from tests.support.world import World


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one audit told."""

    code: int
    findings: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def subjects(self) -> list[str]:
        """Where the findings are."""
        return [finding["subject"] for finding in self.findings]


async def run_audit(world: World, capsys: pytest.CaptureFixture[str], *, repair: bool = False, **changes: Any) -> Told:
    """Run the command in this process, so that it has the functions' clock; `changes` are of its settings."""
    code, output, _ = await operate(
        world, capsys, "audit", "--json", *(["--repair", "--yes"] if repair else []), **changes
    )
    return told(code, output)


def told(code: int, output: str) -> Told:
    """What JSON lines tell; the log's own lines are passed over."""
    objects = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    lines = [line for line in objects if "finding" in line or "summary" in line]
    return Told(code=code, findings=lines[:-1], summary=lines[-1]["summary"])


async def spend_a_night(world: World) -> None:
    """Jobs of alice's that were answered, answered in the second attempt, declined and refunded; bob's was refused."""
    world.provider.faults.add(
        ReplyRule(Reply.http_error(503), custom_id="job-retried"),
        ReplyRule(Reply.refuses("no"), custom_id="job-declined"),
    )
    await world.give("alice", 9)
    for uid, job_id in (("alice", "answered"), ("alice", "retried"), ("alice", "declined"), ("bob", "refused")):
        await world.submit(uid, job_id)
    await world.finish()
    assert {job_id: job["status"] for job_id, job in (await world.jobs()).items()} == {
        "answered": "completed",
        "retried": "completed",
        "declined": "failed",
        "refused": "failed",
    }
