"""What users earn: points = the sum of their entries, and each grant has its reason."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.audit import repairs
from cli.audit.finding import Finding
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice
from cli.audit.users import bunches
from nightshift.database.collections import ECONOMY, JOBS, LEDGER, POINTS
from nightshift.database.commits import READ
from nightshift.database.pages import pages, read_at
from nightshift.earning.achievements import achievements
from nightshift.earning.economy import POINTS_FOR_A_TOKEN, Economy
from nightshift.ledger.posting import wallet_ref
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.status import CANCELLED, FAILED
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

    from nightshift.database.pages import Snapshot


@dataclass(kw_only=True)
class _Recount:
    """What the entries of a user's points add up to."""

    points: int = 0
    answered: int = 0
    answered_of: Counter[str] = field(default_factory=Counter)
    # The ids of the entries by which points were turned into tokens, and how many points.
    conversions: dict[str, int] = field(default_factory=dict)

    def add(self, entry_id: str, entry: Mapping[str, Any]) -> None:
        points = tokens_of(entry.get("points"))
        self.points += points
        if entry.get("kind") == "answer":
            self.answered += 1
            self.answered_of[str(entry.get("type"))] += 1
        else:
            self.conversions[entry_id] = points


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Points that do not agree with their entries, and what was earned without a reason."""
    async for refs in bunches(scope.runtime, ECONOMY):
        scope.looked_at["economies"] += len(refs)
        for found in await asyncio.gather(*(found_twice(scope, partial(_of_user, ref)) for ref in refs)):
            for finding in found:
                yield finding


async def _of_user(ref: "AsyncDocumentReference", scope: Scope) -> list[Finding]:
    snapshot = await ref.get(**READ)
    recount = _Recount()
    found: list[Finding] = []
    async for page in pages(ref.collection(POINTS), at=snapshot.read_time):
        scope.looked_at["entries of points"] += len(page)
        entries = {entry.id: entry.to_dict() or {} for entry in page}
        for entry_id, entry in entries.items():
            recount.add(entry_id, entry)
        found += await _without_answer(scope, ref, entries, page)
    found += await _without_reason(scope, ref, snapshot, recount)
    economy = Economy.read(snapshot.to_dict())
    if (economy.points, economy.answered) != (recount.points, recount.answered):
        counted = f"its entries sum to {recount.points} of {recount.answered} answers"
        found.append(
            Finding(
                check="economy",
                subject=ref.path,
                sentence=f"It has {economy.points} points of {economy.answered} answers, and {counted}.",
                mend=(lambda: _rewrite(scope.runtime, snapshot, recount)) if recount.points >= 0 else None,
                undecided="its entries sum to less than nothing",
            )
        )
    return found


async def _without_answer(
    scope: Scope, ref: "AsyncDocumentReference", entries: Mapping[str, Mapping[str, Any]], page: "list[Snapshot]"
) -> list[Finding]:
    """Points for jobs that are there and were not completed, or are another user's."""
    named = {entry_id: str(entry.get("jobId")) for entry_id, entry in entries.items() if entry.get("kind") == "answer"}
    jobs = scope.runtime.firestore.collection(JOBS)
    refs = [jobs.document(job_id) for job_id in set(named.values()) if names_a_document(job_id)]
    read = await read_at(scope.runtime, refs, page[0].read_time)
    of_jobs = {job.id: job.to_dict() or {} for job in read.values() if job.exists}
    return [
        Finding(
            check="economy",
            subject=f"{ref.path}/{POINTS}/{entry_id}",
            sentence=f"It brings points for the job {job_id}, which was not completed.",
            undecided="entries are never changed; a person decides which entry would set it right",
        )
        for entry_id, job_id in named.items()
        # A user may have written another job under the id of one that has expired.
        if (job := of_jobs.get(job_id)) and job.get("userId") == ref.id and job.get("status") in {FAILED, CANCELLED}
    ]


async def _without_reason(
    scope: Scope, ref: "AsyncDocumentReference", snapshot: "Snapshot", recount: _Recount
) -> list[Finding]:
    """Tokens in the ledger that no points or counters stand for."""
    economy = Economy.read(snapshot.to_dict())
    ledger = wallet_ref(scope.runtime, ref.id).collection(LEDGER)
    found: list[tuple[str, str]] = []
    converted: set[str] = set()
    async for page in pages(ledger, at=snapshot.read_time):
        for entry in page:
            fields = entry.to_dict() or {}
            if fields.get("kind") == "conversion":
                converted.add(entry.id)
                cost = tokens_of(fields.get("amount")) * POINTS_FOR_A_TOKEN
                if recount.conversions.get(entry.id) != -cost:
                    found.append((entry.reference.path, f"It brings tokens, and its {cost} points were not taken."))
            elif fields.get("kind") == "achievement":
                achievement = achievements().get(entry.id.removeprefix("achievement."))
                # The operator may have taken an achievement off the list, or made it harder.
                if achievement and achievement.count(economy) == 0:
                    found.append((entry.reference.path, "It is for an achievement that the user has not begun."))
    found += [
        (f"{ref.path}/{POINTS}/{entry_id}", "It takes points, and the ledger has no tokens for them.")
        for entry_id in sorted(recount.conversions.keys() - converted)
    ]
    undecided = "entries are never changed; a person decides which entry would set it right"
    return [Finding(check="economy", subject=path, sentence=sentence, undecided=undecided) for path, sentence in found]


async def _rewrite(runtime: Runtime, snapshot: "Snapshot", recount: _Recount) -> str:
    await repairs.rewrite_points(runtime, snapshot, recount.points, recount.answered, recount.answered_of)
    return f"Its points were set to {recount.points}, as its entries have it."
