"""The transitions of a batch, each by its name: what its lease holder may write into `ai_batches/{batchId}`, and when.

A step decides what comes next and calls one of these. Each is one commit under the batch's lease, with all that belongs
to it: the claimed jobs, the shards, the lane that backs off. So a step writes no field itself.

    create_batch, claim → seal → announce_create → mark_submitted → mark_ended → cut → sum_up → close
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.batches import lanes
from nightshift.batches.asked import MembersAsked
from nightshift.batches.batch import Batch, PartSource
from nightshift.batches.counts import NOTHING_SETTLED
from nightshift.batches.documents import ID_LETTERS, ID_PREFIX, ID_RANDOM_LETTERS, Found, batch_from
from nightshift.batches.limits import Estimate
from nightshift.batches.members import Closing
from nightshift.batches.queue import Turns
from nightshift.batches.step_error import StepError
from nightshift.batches.tally import Tally
from nightshift.database import leases
from nightshift.database.collections import BATCHES
from nightshift.database.commits import Commit
from nightshift.database.leases import LeaseHolder, Writes
from nightshift.errors import TryLater
from nightshift.jobs import transitions as of_jobs
from nightshift.jobs.job import Job
from nightshift.jobs.retention import batch_expiry
from nightshift.log import where_raised
from nightshift.pricing import shares
from nightshift.providers.base import ProviderRefusal, RemoteBatch
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.outcome import Stop
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED


class HeldBatch:
    """A batch on which this process has the lease; `batch` is as the last transition left it.

    Every transition raises LeaseHeld or LeaseLost, having written nothing, if another process has the lease.
    """

    def __init__(self, runtime: Runtime, lease: LeaseHolder, fields: dict[str, Any]) -> None:
        self.lease = lease
        self.batch: Batch = batch_from(lease.ref.id, fields)
        self._runtime = runtime
        self._fields = fields

    # assembling

    async def claim(self, jobs: Sequence[Job], estimate: Estimate) -> None:
        """Take more jobs into the batch. Raises Undecided if one was taken meanwhile."""
        usd = self.batch.budget_usd + estimate.usd
        await self._write(
            {
                "jobCount": self.batch.job_count + len(jobs),
                "estimatedTokens": self.batch.estimated_tokens + estimate.tokens,
                "budgetUsd": usd,
                "estimatedUsd": usd,
                "asked": (self.batch.asked + MembersAsked.of_jobs(jobs)).fields(),
            },
            also=lambda writes: _claim(self._runtime, writes, self.batch.batch_id, jobs, estimate),
        )

    def seal(self) -> None:
        """The input file is whole. This is recorded with the next transition."""
        changes = {"status": "sealed"}
        self.lease.with_next_write(changes)
        self._became(changes)

    async def seal_again(self, job_count: int, request_count: int, asked: MembersAsked) -> None:
        """The input file was written again, from the jobs that the database counts."""
        await self._write(
            {
                "status": "sealed",
                "jobCount": job_count,
                "requestCount": request_count,
                "asked": asked.fields(),
                "addressedAt": self._runtime.now(),
            }
        )

    async def give_up_empty(self, job_count: int) -> None:
        """No job of the batch can be sent any more."""
        await self._write({"status": "closing", "outcome": "cancelled", "jobCount": job_count})

    # sealed

    async def unseal(self) -> None:
        """The input file is gone, or too old; it has to be written and uploaded again."""
        await self._write({"status": "assembling", "inputFileId": None})

    async def announce_create(self, input_file_id: str | None, lands_by: datetime) -> None:
        """A create is about to be sent, which may take effect until `lands_by`.

        Args:
            input_file_id: the file that the provider has; None where the requests go in with the create.
        """
        await self._write(
            {
                "inputFileId": input_file_id,
                "creates": self.batch.creates + 1,
                "createSentAt": self.batch.create_sent_at or self._runtime.now(),
                "createLandsBy": lands_by,
            }
        )

    async def note_no_create(self) -> None:
        """The create did not take effect, and cannot any more."""
        await self._write({"createLandsBy": self._runtime.now()})

    async def forget_upload(self) -> None:
        """The provider does not find the file that it took in; it has to be uploaded again."""
        await self._write({"inputFileId": None, "createLandsBy": self._runtime.now()})

    async def cancel_unsent(self) -> None:
        """An operator stopped the batch before the provider had it."""
        await self._write({"status": "closing", "outcome": "cancelled"})

    async def record_refusal(self, refusal: ProviderRefusal) -> None:
        """The provider will not have the batch."""
        reason = {"errorCode": refusal.code, "errorMessage": refusal.message, "trouble": refusal.trouble.value}
        await self._write({"status": "closing", "outcome": "failed", **reason}, await self._trouble_over())

    async def mark_submitted(self, remote_id: str, *, is_unproven: bool, release: bool) -> None:
        """The provider has the batch, under this id.

        Args:
            is_unproven: it is taken for ours by evidence.
            release: the lease is given up.
        """
        changes = {"status": "submitted", "remoteId": remote_id, "submittedAt": SERVER_TIMESTAMP}
        if is_unproven:
            changes["isUnproven"] = True
        if self.batch.trouble:
            changes["trouble"] = DELETE_FIELD
        await self._write(changes, await self._trouble_over(), release=release)

    async def request_stop(self, stop: Stop, *, release: bool = False) -> None:
        """An operator wishes the batch to stop; the next process that advances it carries that out.

        With `release`, that is another process: the lease is given up.
        """
        await self._write({"stop": stop}, release=release)

    # submitted

    async def note_output_missing(self) -> None:
        """The provider has ended the batch, and does not name the output file yet."""
        await self._write({"outputMissingSince": self._runtime.now()})

    async def disown(self) -> None:
        """The provider's batch that was taken for this one holds other requests: the right one is looked for again."""
        others = sorted({*self.batch.disowned, *filter(None, [self.batch.remote_id])})
        await self._write({"status": "sealed", "remoteId": None, "isUnproven": DELETE_FIELD, "disowned": others})

    async def mark_gone(self) -> None:
        """The provider does not know the batch any more."""
        gone = {"errorCode": "batch_gone", "trouble": Trouble.LEFT_OUT.value}
        await self._write({"status": "closing", "outcome": "failed", **gone})

    async def mark_ended(self, remote: RemoteBatch) -> None:
        """The provider is done with the batch; one that it never ended counts as expired."""
        reason: dict[str, str | None] = {}
        if remote.error_code:
            reason |= {"errorCode": remote.error_code, "errorMessage": remote.error_message}
        if remote.trouble:
            reason["trouble"] = remote.trouble.value
        await self._write(
            {
                "status": "ingesting",
                "outcome": remote.outcome or "expired",
                "endedAt": self._runtime.now(),
                "outputFileId": remote.output_file_id,
                "errorFileId": remote.error_file_id,
                "usage": remote.usage.fields() if remote.usage else None,
                **reason,
            }
        )

    # ingesting

    async def cut(self, shards: Writes) -> None:
        """A result file is cut; `shards` creates their documents."""
        await self._write({"isCut": True}, also=shards)

    async def sum_up(self, tally: Tally, deletion: Writes | None) -> None:
        """Every line is dealt with; `deletion` deletes the shards. Without any this goes with the next transition."""
        # The provider's own sum counts; where it gives none, ours does.
        usage = tally.usage if self.batch.usage == NOTHING_USED else self.batch.usage
        changes = {
            "status": "closing",
            "usage": usage.fields(),
            "counts": tally.settled.fields(),
            "malformedLines": tally.malformed,
            "unknownLines": tally.unknown,
            **({"usageOfTypes": tally.usage_fields()} if len(self.batch.asked.types) > 1 else {}),
            **({"trouble": tally.trouble.value, "spared": dict(tally.spared)} if tally.trouble else {}),
        }
        if deletion:
            await self._write(changes, also=deletion)
        else:
            self.lease.with_next_write(changes)
            self._became(changes)

    async def record_copies(self) -> None:
        """The result files are copied. Their lines are settled in the commit that closes the batch."""
        await self._write({"status": "closing"})

    # closing

    async def close(self, closing: Closing, also: Writes | None = None) -> None:
        """No job of the batch waits any more, and the provider's files are gone. The lease is given up.

        Args:
            also: what is settled in the same commit. Raises Undecided if one of its preconditions failed.
        """
        usage = {"usage": closing.usage.fields()} if closing.usage != self.batch.usage else {}
        await self._write(
            {
                "status": closing.outcome,
                "counts": closing.counts.fields(),
                "costUsd": closing.cost_usd,
                # From here on what it cost counts, and no estimate: what failed frees its share of the budget.
                "budgetUsd": closing.cost_usd or 0.0,
                "realtimeCostUsd": closing.realtime_cost_usd,
                "spared": DELETE_FIELD,
                **usage,
                "breakdown": closing.breakdown.fields(),
                "usageOfTypes": DELETE_FIELD,
                "completedAt": SERVER_TIMESTAMP,
                **batch_expiry(self._runtime),
            },
            also,
            release=True,
        )

    # whenever its lane is in trouble

    async def back_off_lane(
        self, until: datetime, *, most_requests: int | None = None, trouble: Trouble | None = None
    ) -> None:
        """Let nothing be submitted in the batch's lane until then. A holder that lost its lease backs nothing off.

        Args:
            most_requests: how many requests a batch may hold from then on; None leaves it as it was.
            trouble: what keeps this batch from the provider, put on record here and in the lane.
        """
        backing_off = await lanes.backing_off(self._runtime, self.batch.lane, until, most_requests, trouble)
        await self._write({"trouble": trouble.value} if trouble else {}, also=backing_off)

    async def back_off_user(self, user_id: str, until: datetime) -> None:
        """Let no job of this user be submitted in the batch's lane until then; those of others go on."""
        await self._write({}, also=await lanes.user_backing_off(self._runtime, self.batch.lane, user_id, until))

    # whenever a step fails

    async def note_error(self, error: Exception) -> None:
        """Put on record why a step failed: with the write that frees the lease, or at once if none follows.

        It never hides the error: what Firestore does not take now is left out.
        """
        now, before = self._runtime.now(), self.batch.last_error
        if isinstance(error, TryLater):
            reason, needs_operator = str(error), error.needs_operator
        else:
            reason, needs_operator = f"unforeseen: {type(error).__name__} in {where_raised(error)}", True
        since = before.since if before else now
        noted = StepError(reason=reason, needs_operator=needs_operator, since=since, at=now)
        changes = {"lastError": noted.fields()}
        if self.lease.is_released:
            return
        if self.lease.is_on_record:
            self.lease.with_next_write(changes)
        elif before is None or before.reason != noted.reason:
            with suppress(TryLater):
                await self._write(changes, release=True)

    async def note_success(self) -> None:
        """The step that failed before has succeeded, and had nothing to write."""
        if self.batch.last_error and not self.lease.is_released:
            await self._write({"lastError": DELETE_FIELD}, release=True)

    async def _trouble_over(self) -> Writes | None:
        """What kept this batch from the provider is over, if anything did: the other jobs of its lane go at once."""
        return await lanes.end_of_back_off(self._runtime, self.batch.lane) if self.batch.trouble else None

    async def _write(self, changes: dict[str, Any], also: Writes | None = None, *, release: bool = False) -> None:
        if self.batch.last_error and "status" in changes:
            changes["lastError"] = DELETE_FIELD
        await self.lease.write(changes, also, release=release)
        self._became(changes)

    def _became(self, changes: dict[str, Any]) -> None:
        self._fields = {name: field for name, field in (self._fields | changes).items() if field is not DELETE_FIELD}
        self.batch = batch_from(self.batch.batch_id, self._fields)


def take(runtime: Runtime, found: Found) -> HeldBatch:
    """Take the lease on an open batch as it was read; the first write puts it on record. Raises LeaseHeld."""
    return HeldBatch(runtime, leases.take(runtime, found.snapshot), found.snapshot.to_dict() or {})


async def create_batch(
    runtime: Runtime,
    lane: lanes.HeldLane,
    jobs: Sequence[Job],
    estimate: Estimate,
    *,
    turns: Turns | None,
    is_last: bool,
    is_burst: bool,
) -> HeldBatch:
    """Create a batch together with its first jobs, and take its lease.

    Args:
        lane: its lease is put on record in the same commit.
        estimate: of these jobs.
        turns: for the lane's next batch.
        is_last: no further job is to be claimed; then the lane's lease is given up.
        is_burst: many jobs were waiting.

    Raises:
        Undecided: a job was taken meanwhile.
        LeaseHeld: the lane was.
    """
    lease = leases.new_lease(runtime)
    batch_id = new_batch_id()
    ref = runtime.firestore.collection(BATCHES).document(batch_id)
    of_jobs = {"status": "assembling", "jobCount": len(jobs), "asked": MembersAsked.of_jobs(jobs).fields()}
    fields = {**_new_fields(runtime, lane.lane, estimate), **of_jobs}

    def create(writes: Commit) -> None:
        _claim(runtime, writes, batch_id, jobs, estimate)
        writes.create(ref, {**fields, "lease": lease.fields(), "createdAt": SERVER_TIMESTAMP})

    update_time = await lane.record_submission(create, turns, is_burst=is_burst, release=is_last)
    held = LeaseHolder(runtime, ref, update_time, lease)
    return HeldBatch(runtime, held, {**fields, "createdAt": runtime.now()})


def new_batch_id() -> str:
    """An id for a batch."""
    return ID_PREFIX + "".join(secrets.choice(ID_LETTERS) for _ in range(ID_RANDOM_LETTERS))


async def create_part_batch(
    runtime: Runtime,
    lane: lanes.HeldLane,
    batch_id: str,
    source: PartSource,
    user_id: str,
    estimate: Estimate,
    asked: MembersAsked,
    also: Writes,
) -> HeldBatch:
    """Create the batch of a bulk job's part, whose input file is whole, and take its lease.

    Args:
        lane: it is given free in the same commit.
        user_id: whose share of the day's budget it counts for.
        asked: its items.
        also: moves the part, in the same commit.

    Raises:
        Undecided: the part was moved meanwhile, or the batch is there.
        LeaseHeld: the lane was taken.
    """
    lease = leases.new_lease(runtime)
    ref = runtime.firestore.collection(BATCHES).document(batch_id)
    fields = {
        **_new_fields(runtime, lane.lane, estimate),
        "status": "sealed",
        "jobCount": sum(asked.queued.values()),
        "asked": asked.fields(),
        "source": source.fields(),
        "userId": user_id,
    }

    def create(writes: Commit) -> None:
        also(writes)
        writes.create(ref, {**fields, "lease": lease.fields(), "createdAt": SERVER_TIMESTAMP})

    update_time = await lane.record_part(create)
    return HeldBatch(runtime, LeaseHolder(runtime, ref, update_time, lease), {**fields, "createdAt": runtime.now()})


def _new_fields(runtime: Runtime, lane: Lane, estimate: Estimate) -> dict[str, Any]:
    return {
        "provider": lane.provider,
        "endpoint": lane.endpoint,
        "model": lane.model,
        "lane": str(lane),
        "estimatedTokens": estimate.tokens,
        "budgetDay": runtime.today,
        "budgetUsd": estimate.usd,
        "estimatedUsd": estimate.usd,
        "correction": estimate.correction.fields(),
        "counts": NOTHING_SETTLED.fields(),
    }


def _claim(runtime: Runtime, writes: Commit, batch_id: str, jobs: Sequence[Job], estimate: Estimate) -> None:
    for job in jobs:
        line_usd = estimate.of_jobs.get(job.job_id)
        share = {} if line_usd is None else shares.counted(runtime, max(0.0, job.uncounted_usd) + line_usd)
        of_jobs.claim(runtime, writes, job, batch_id, share)


def rewrite_counts(
    runtime: Runtime, writes: Commit, batch_id: str, counts: Mapping[str, int], read_as_of: datetime
) -> None:
    """Write a closed batch's counts as they were counted again, if it is still as it was read."""
    writes.update(runtime.firestore.collection(BATCHES).document(batch_id), {"counts": dict(counts)}, read_as_of)
