"""Start: a part goes from `waiting` to `running`, as one provider batch.

Its input file is written first. Then one commit creates the batch, moves the part, and takes note in the lane. So of
two processes one creates the batch. A crash before the commit leaves a file that no document names; the bucket deletes
it after a month.

What limits any batch limits this one: the provider's bounds, the day's budget, the tokens in flight, and what was
learned when the provider's queue was full. What does not fit stays open, for the part's next round. The jobs of the
lane go first: they are submitted before a part is started, and a part opens no coalescing window.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Final

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.batches import artifacts, lanes
from nightshift.batches import documents as batches
from nightshift.batches.advance import advance_held
from nightshift.batches.asked import MembersAsked
from nightshift.batches.batch import PartSource
from nightshift.batches.capacity import limits_of
from nightshift.batches.correction import NO_CORRECTION, Correction
from nightshift.batches.lanes import HeldLane
from nightshift.batches.limits import BatchFill, Estimate, line_usd
from nightshift.batches.listing import NOTHING_LISTED
from nightshift.batches.transitions import HeldBatch, create_part_batch, new_batch_id
from nightshift.bulk import documents, rounds
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.moving import lane_for
from nightshift.bulk.part import BulkPart
from nightshift.bulk.requests import ItemLine, item_lines
from nightshift.bulk.round import Round
from nightshift.database import leases
from nightshift.database.commits import Commit, Undecided
from nightshift.database.leases import LeaseHolder
from nightshift.errors import BudgetSpent, JobRefused, LeaseHeld, ShareSpent
from nightshift.pricing import spending
from nightshift.pricing.shares import share_usd, taken_usd
from nightshift.pricing.unpriced import tell_if_unpriced
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane

log = structlog.get_logger()

# Another commit may take the lane between our reading and ours; each time the budget is read anew.
_MOST_TRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class PartInput:
    """A batch's input file, as it was written: what it holds, and up to which item."""

    fill: BatchFill
    through: int
    correction: Correction


async def start_part(runtime: Runtime, bulk: BulkJob, number: int, *, is_ordered: bool = False) -> bool:
    """Start a part that waits, and bring its batch to the provider.

    Args:
        is_ordered: also while its lane backs off, or its user's jobs wait there after trouble.

    Returns:
        Whether it was started; False if the lane, or the part, is not to be had now, or has no room.

    Raises:
        BudgetSpent, ShareSpent: the day's budget, or the user's share of it.
        TryLater: a passing trouble; a batch that was created is taken up by the tick.
    """
    snapshot = await documents.part_snapshot(runtime, bulk.bulk_id, number)
    if snapshot is None or documents.part_of(snapshot).status != "waiting":
        return False
    try:
        holder = await leases.take(runtime, snapshot, is_stamped=True).on_record()
    except LeaseHeld:
        return False
    async with holder.released_after():
        part = documents.part_of(snapshot)
        lane = await lane_for(runtime, bulk, part)
        held = await _create(runtime, bulk, lane, part, holder, is_ordered=is_ordered) if lane else None
    if held is None:
        return False
    log.info("bulk_part_started", bulk_id=bulk.bulk_id, part=number, jobs=held.batch.job_count)
    await advance_held(runtime, held, NOTHING_LISTED)
    return True


async def _create(
    runtime: Runtime, bulk: BulkJob, lane: Lane, part: BulkPart, holder: LeaseHolder, *, is_ordered: bool
) -> HeldBatch | None:
    held_lane = await lanes.take(runtime, lane, coalesce=False, is_ordered=is_ordered)
    if held_lane is None or (not is_ordered and bulk.user_id in held_lane.users_backing_off):
        return None
    batch_id = new_batch_id()
    written = await _write_input(runtime, bulk, held_lane, part, holder, batch_id)
    if written is None:
        return None
    fill = written.fill
    estimate = Estimate(tokens=fill.tokens, usd=fill.usd, correction=written.correction)
    source = PartSource(bulk_id=bulk.bulk_id, part=part.part, round=part.round)
    asked = MembersAsked.of_items(bulk.type, fill.requests, bulk.started_at or bulk.created_at)
    fields = {
        "status": "running",
        "batchId": batch_id,
        "through": written.through,
        "startedAt": runtime.now(),
        **({"lane": str(lane)} if lane != bulk.lane else {}),
        "updatedAt": SERVER_TIMESTAMP,
        "lease": DELETE_FIELD,
    }
    ref = documents.part_ref(runtime, bulk.bulk_id, part.part)

    def move(writes: Commit) -> None:
        assert holder.update_time, "the lease is on record"  # noqa: S101 - taken above
        writes.update(ref, fields, read_as_of=holder.update_time)

    for _ in range(_MOST_TRIES):
        try:
            created = await create_part_batch(runtime, held_lane, batch_id, source, bulk.user_id, estimate, asked, move)
        except Undecided:
            # The part is in other hands; or the commit landed, and the tick takes the batch up.
            return None
        except LeaseHeld:
            again = await lanes.take(runtime, lane, coalesce=False, is_ordered=is_ordered)
            if again is None or await _left_usd(runtime, bulk) < fill.usd:
                return None
            held_lane = again
            continue
        # The same commit gave the part's lease up.
        holder.is_released = True
        return created
    return None


async def _write_input(
    runtime: Runtime, bulk: BulkJob, held_lane: HeldLane, part: BulkPart, holder: LeaseHolder, batch_id: str
) -> PartInput | None:
    """Write the input file of as many open items as fit; None if none does, or none is left that can be asked for.

    An item that can never be asked for ends here, in a round of its own.
    """
    lane = held_lane.lane
    tell_if_unpriced(runtime, lane)
    left_usd = await _left_usd(runtime, bulk)
    limits = await limits_of(runtime, lane, held_lane.most_requests, left_usd, is_of_part=True)
    is_limited = isfinite(limits.usd) or limits.tokens is not None
    correction = await batches.correction(runtime, lane) if is_limited else NO_CORRECTION
    most_usd = min(share_usd(runtime.settings), runtime.settings.daily_budget_usd or inf)
    filling = _Filling(lane, BatchFill(limits=limits), correction, most_usd)
    async with holder.renewed():
        await artifacts.write(runtime, batch_id, "input", filling.pages(item_lines(runtime, lane, bulk, part)))
    if filling.refused:
        await _fail(runtime, bulk, part, holder, filling.refused)
        return None
    if not filling.fill.requests:
        if filling.is_over_budget:
            raise BudgetSpent(runtime.settings.daily_budget_usd - left_usd, runtime.settings.daily_budget_usd)
        return None
    return PartInput(fill=filling.fill, through=filling.through, correction=correction)


class _Filling:
    """An input file while it fills."""

    def __init__(self, lane: Lane, fill: BatchFill, correction: Correction, most_usd: float) -> None:
        self.fill = fill
        self.through = -1
        self.is_over_budget = False
        # The items that can never be asked for.
        self.refused: dict[int, JobRefused] = {}
        self._lane = lane
        self._correction = correction
        self._most_usd = most_usd

    async def pages(self, items: AsyncIterator[list[ItemLine]]) -> AsyncIterator[bytes]:
        """The lines that fit, up to the first that does not."""
        async for page in items:
            lines: list[bytes] = []
            is_full = False
            for item in page:
                if isinstance(item.line, JobRefused):
                    self.refused[item.index] = item.line
                    continue
                usd = line_usd(self._lane, item.line.expected, self._correction, self._most_usd)
                tokens = ceil(item.line.expected.input_tokens * self._correction.tokens)
                filled = self.fill.with_line(len(item.line.line) + 1, tokens, usd)
                if filled is None:
                    self.is_over_budget = not self.fill.affords(usd)
                    is_full = True
                    break
                self.fill, self.through = filled, item.index
                lines.append(item.line.line + b"\n")
            if lines:
                yield b"".join(lines)
            if is_full:
                return


async def _fail(
    runtime: Runtime, bulk: BulkJob, part: BulkPart, holder: LeaseHolder, refused: dict[int, JobRefused]
) -> None:
    """End items that can never be asked for, and refund them. The part waits, or is closed."""
    round_ = Round(part)
    ends = [round_.fail(index, refusal.code, refusal.message) for index, refusal in refused.items()]
    name = await rounds.write_ends(runtime, part, ends)
    fields = await rounds.fields_of(runtime, round_, name) | rounds.counted(runtime, bulk, round_)
    await holder.write(fields, await rounds.refund(runtime, bulk, round_), release=True)


async def _left_usd(runtime: Runtime, bulk: BulkJob) -> float:
    """What of the day's budget may be taken now. Raises BudgetSpent or ShareSpent."""
    settings = runtime.settings
    if not settings.daily_budget_usd:
        return inf
    spent = await spending.spent_usd(runtime)
    left = settings.daily_budget_usd - spent
    if left <= 0:
        raise BudgetSpent(spent, settings.daily_budget_usd)
    share = share_usd(settings)
    if not isfinite(share):
        return left
    taken = await taken_usd(runtime, bulk.user_id)
    if taken >= share:
        raise ShareSpent(f"{taken:.2f} of the user's {share:.2f} US dollars of today are spent")
    return min(left, share - taken)
