"""Writing a round of a part: its object in Cloud Storage first, then what one commit needs.

| the process dies | what is left | what the next round does |
|---|---|---|
| before the commit | perhaps an object, which the part does not name | writes its own |
| after the commit | the part, its refund, and the object that it names | begins behind it |

The refund is created under the round's number, in the commit that moves the states. So it cannot come twice.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift import storage
from nightshift.bulk import documents, objects
from nightshift.bulk.bulk_job import MOST_FIRST_ERRORS, BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.bulk.round import ItemEnd, Round
from nightshift.bulk.stored_rows import read_rows
from nightshift.database.commits import READ, Commit
from nightshift.database.leases import Writes
from nightshift.ledger.entries import bulk_refund
from nightshift.ledger.failures import tell_if_reached
from nightshift.ledger.limits import Admissions
from nightshift.ledger.posting import count_admissions, post, wallet_ref
from nightshift.runtime import Runtime
from nightshift.values.compact_json import compact_json
from nightshift.values.day_sums import DaySums, EndSums, GroupKey, added_by_day, fields_by_day
from nightshift.values.waits import WaitHistogram


def line_of(end: ItemEnd) -> bytes:
    """How an item ended, as it is stored, with its newline."""
    return compact_json(end.fields()) + b"\n"


async def write_ends(runtime: Runtime, part: BulkPart, ends: Iterable[ItemEnd]) -> str:
    """Write how the items of the round under way ended, in the order of their index; returns the object's name.

    Raises TryLater.
    """
    lines = b"".join(line_of(end) for end in sorted(ends, key=lambda end: end.index))

    async def once() -> AsyncIterator[bytes]:
        yield lines

    return await write_lines(runtime, part, once())


async def write_lines(runtime: Runtime, part: BulkPart, lines: AsyncIterator[bytes]) -> str:
    """Write the object of the round under way, whole or not at all; returns its name. Raises TryLater."""
    name = objects.new_name(part.part, part.round)
    await storage.write(runtime, objects.round_ends(part.bulk_id, name), lines)
    return name


async def fields_of(runtime: Runtime, round_: Round, name: str | None) -> dict[str, Any]:
    """What the part's document says after the round. The batch or the worker of the round has left it.

    Args:
        name: of the round's object; None if no item has ended.
    """
    part, tries = round_.part, round_.tries.packed()
    uncounted_usd = 0.0 if round_.refunded else part.uncounted_usd + round_.retried_usd
    return {
        "status": "waiting" if round_.counts.open else "closed",
        "counts": round_.counts.fields(),
        "states": round_.states.packed(),
        "tries": tries if tries and round_.counts.open else DELETE_FIELD,
        "round": part.round + 1,
        "rounds": [*part.rounds, *([name] if name else [])],
        "batchId": DELETE_FIELD,
        "through": DELETE_FIELD,
        "uncountedUsd": uncounted_usd or DELETE_FIELD,
        **_outage(runtime, round_),
        **({"lane": str(round_.moved_to)} if round_.moved_to else {}),
        "updatedAt": SERVER_TIMESTAMP,
        # What ended without a batch before this round.
        **({"isUncounted": True} if part.uncounted_days and not round_.counts.open else {}),
        **await _first_errors(runtime, round_),
    }


def counted(runtime: Runtime, bulk: BulkJob, round_: Round) -> dict[str, Any]:
    """What the history needs to know of a round without a batch. Once the part is closed, a tick counts it."""
    part = round_.part
    lane = part.lane or bulk.lane
    if lane is None or round_.is_empty:
        return {}
    key = GroupKey(type=bulk.type, provider=lane.provider, model=lane.model, mode=bulk.speed or "batch")
    waited = (runtime.now() - (bulk.started_at or bulk.created_at)).total_seconds()
    sums = EndSums(
        completed=round_.completed,
        failed=round_.failed,
        cancelled=round_.cancelled,
        tokens=round_.completed * bulk.price,
        input_tokens=round_.usage.input_tokens,
        output_tokens=round_.usage.output_tokens,
        cost_usd=round_.cost_usd,
        realtime_cost_usd=round_.cost_usd,
        unpriced=round_.unpriced,
        waits=WaitHistogram.of(waited, round_.completed),
    )
    ended = {runtime.today: DaySums(groups={key: sums}, errors=round_.codes)}
    return {
        "days": fields_by_day(added_by_day(part.days, ended)),
        "uncountedDays": fields_by_day(added_by_day(part.uncounted_days, ended)),
        **({} if round_.counts.open else {"isUncounted": True}),
    }


async def move(runtime: Runtime, bulk: BulkJob, round_: Round, name: str | None, *, has_batch: bool = True) -> Writes:
    """The writes that move a part, under the update time at which it was read, and refund what has failed.

    Args:
        has_batch: the round is a batch's, which the history counts by itself.
    """
    part, fields = round_.part, await fields_of(runtime, round_, name)
    if not has_batch:
        fields |= counted(runtime, bulk, round_)
    give_back = await refund(runtime, bulk, round_)
    ref = documents.part_ref(runtime, part.bulk_id, part.part)

    def add(writes: Commit) -> None:
        writes.update(ref, fields, read_as_of=part.update_time)
        give_back(writes)

    return add


async def refund(runtime: Runtime, bulk: BulkJob, round_: Round) -> Writes:
    """What gives the price of the items back that ended without an answer, and counts what they cost us.

    The wallet is read now, and written under this reading.
    """
    part = round_.part
    tokens = round_.refunded * bulk.price if bulk.charges else 0
    failed_usd = round_.failed_usd + (part.uncounted_usd + round_.retried_usd if round_.refunded else 0.0)
    if not tokens and not failed_usd:
        return _nothing
    wallet = await wallet_ref(runtime, bulk.user_id).get(**READ)
    if not wallet.exists:
        return _nothing
    before = Admissions.read(wallet.to_dict(), runtime.today)
    admissions = before.with_failed(failed_usd) if failed_usd else before
    tell_if_reached(runtime, before.failed_usd, admissions.failed_usd, bulk_id=bulk.bulk_id)

    def give_back(writes: Commit) -> None:
        if tokens:
            entry = bulk_refund(bulk.bulk_id, part.part, part.round, tokens)
            post(writes, wallet, [entry], admissions if failed_usd else None)
        else:
            count_admissions(writes, wallet, admissions)

    return give_back


def _outage(runtime: Runtime, round_: Round) -> dict[str, Any]:
    """Since when the part waits for its lane to answer anything at all."""
    if round_.completed or round_.moved_to or not round_.counts.open:
        return {"sparedSince": DELETE_FIELD} if round_.part.spared_since else {}
    begins = round_.spared and round_.part.spared_since is None
    return {"sparedSince": runtime.now()} if begins else {}


def _nothing(_: Commit) -> None:
    return


async def _first_errors(runtime: Runtime, round_: Round) -> dict[str, Any]:
    part = round_.part
    room = MOST_FIRST_ERRORS - len(part.first_errors)
    wanted = dict(sorted(round_.errors.items())[: max(0, room)])
    if not wanted:
        return {}
    rows = await row_numbers(runtime, part, wanted)
    told = [
        {"row": rows.get(index, 0), "code": end.error_code, "message": end.error_message}
        for index, end in wanted.items()
    ]
    return {"firstErrors": sorted([*part.first_errors, *told], key=lambda error: error["row"])}


async def row_numbers(runtime: Runtime, part: BulkPart, indices: Iterable[int]) -> dict[int, int]:
    """The rows of the source at these indices of a part. Where rows were left out, the stored rows are read."""
    wanted = set(indices)
    if part.last_row - part.first_row + 1 == part.rows:
        return {index: part.first_row + index for index in wanted}
    found: dict[int, int] = {}
    async for rows in read_rows(runtime, part):
        found |= {index: row.row for index, row in rows if index in wanted}
        if len(found) == len(wanted):
            break
    return found
