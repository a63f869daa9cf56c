"""What the demo promises, checked from outside at its end.

Every broken promise is a sentence; none means that all was kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai

from local.app_user import AppUser
from local.demo_jobs import TOKENS, DemoJob
from local.stack import Stack
from local.tokens import unsigned_token


@dataclass
class Night:
    """All that there is to see when the night is over."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    classifications: dict[str, dict[str, Any]] = field(default_factory=dict)
    wallets: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledgers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    # The caller of the statistics → the answer's status code and body.
    stats: dict[str, tuple[int, Any]] = field(default_factory=dict)
    files_left: list[str] = field(default_factory=list)


async def look(client: httpx.AsyncClient, stack: Stack, users: Mapping[str, AppUser]) -> Night:
    """See everything as its users see it: documents by the app, statistics over HTTP, files by the provider's API."""
    night = Night()
    for uid, user in users.items():
        night.jobs |= await user.own("ai_jobs")
        night.notifications |= await user.own("notifications")
        night.classifications |= await user.own("classifications")
        night.wallets[uid] = await user.wallet()
        night.ledgers[uid] = await user.ledger()
    url = stack.function_urls["get_batch_stats"]
    tokens = {
        "an admin": unsigned_token(stack.project, "root", admin=True),
        "a signed-in user": unsigned_token(stack.project, "asha"),
        "a stranger": None,
    }
    for who, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.get(url, headers=headers)
        night.stats[who] = (answer.status_code, answer.json())
    night.files_left = await files_left(stack, {job.get("batchId", "") for job in night.jobs.values()})
    return night


async def files_left(stack: Stack, batch_ids: set[str]) -> list[str]:
    """The files of these batches that are still at the provider, by name."""
    provider = openai.AsyncOpenAI(api_key=stack.openai_api_key, base_url=stack.openai_base_url or None)
    async with provider:
        names = [file.filename async for file in provider.files.list()]
    return [name for name in names if any(batch_id and batch_id in name for batch_id in batch_ids)]


def broken_promises(jobs: Sequence[DemoJob], night: Night) -> list[str]:
    """Every promise that was not kept, as a sentence."""
    return [*_jobs(jobs, night), *_documents(jobs, night), *_money(night), *_stats(jobs, night), *_provider(night)]


def _jobs(jobs: Sequence[DemoJob], night: Night) -> list[str]:
    broken = []
    for job in jobs:
        document = night.jobs.get(job.job_id, {})
        wanted = ("failed", job.must_fail) if job.must_fail else ("completed", None)
        found = (document.get("status"), document.get("errorCode"))
        if found != wanted:
            broken.append(f"{job.job_id} should have ended as {wanted}, and is {found}.")
        if job.must_fail is None and ("batchId" in document) != (job.speed == "batch"):
            broken.append(f"{job.job_id} was to be answered at the speed {job.speed}, and was not.")
    return broken


def _documents(jobs: Sequence[DemoJob], night: Night) -> list[str]:
    broken = []
    everybody = {job.job_id for job in jobs}
    answered = {job.job_id for job in jobs if job.must_fail is None}
    if set(night.notifications) != everybody:
        broken.append(f"{len(everybody)} jobs ended, and {len(night.notifications)} notifications were written.")
    if set(night.classifications) != answered:
        broken.append(f"{len(answered)} jobs were answered, and {len(night.classifications)} classifications written.")
    return broken


def _money(night: Night) -> list[str]:
    broken = []
    for uid, wallet in night.wallets.items():
        entries = sum(entry["amount"] for entry in night.ledgers[uid])
        answered = sum(
            job["tokensSpent"] for job in night.jobs.values() if (job["userId"], job["status"]) == (uid, "completed")
        )
        if wallet.get("balance", 0) != entries:
            broken.append(f"The wallet of {uid} holds {wallet['balance']}, and its ledger sums to {entries}.")
        if TOKENS.get(uid, 0) - answered != entries:
            broken.append(f"{uid} had {TOKENS.get(uid, 0)}, got answers for {answered}, and has {entries} left.")
    return broken


def _stats(jobs: Sequence[DemoJob], night: Night) -> list[str]:
    failed = sum(job.must_fail is not None for job in jobs)
    wanted = {"queued": 0, "processing": 0, "completed": len(jobs) - failed, "failed": failed, "total": len(jobs)}
    status, counts = night.stats["an admin"]
    broken = []
    if status != 200 or any(counts.get(name) != number for name, number in wanted.items()):
        broken.append(f"The statistics should say {wanted}, and say {counts}.")
    for who, refused in (("a signed-in user", 403), ("a stranger", 401)):
        if night.stats[who][0] != refused:
            broken.append(f"The statistics should answer {who} with {refused}, and answer {night.stats[who][0]}.")
    return broken


def _provider(night: Night) -> list[str]:
    return [f"Files were left at the provider: {', '.join(night.files_left)}."] if night.files_left else []
