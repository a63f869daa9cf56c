"""Ingest: `ingesting` → `settling`. Copy the provider's files to Cloud Storage, and settle every line of them.

Nothing here is recorded line by line. A crash repeats the whole: the copies are made anew, and a line whose job
has been settled, or was queued again and is elsewhere by now, finds it no longer `processing` in this batch and
is passed over. The output file comes first, so where both files name a job its answer wins.
"""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final, Literal

import structlog

from nightshift.model.batch import Batch, Usage
from nightshift.model.job import PROCESSING
from nightshift.model.result_line import ResultLine, parse_result_line, usage_of
from nightshift.model.settlement import settlement_of
from nightshift.providers.base import ProviderGone, ProviderRefusal, ProviderTrouble
from nightshift.runtime import Runtime
from nightshift.store import artifacts, batches, settlements
from nightshift.store.leases import Hold

log = structlog.get_logger()

_LINES_AT_ONCE: Final = 150
# A result file is sometimes not visible at once. One that stays away this long, counted from the batch's end, is gone.
_VISIBLE_AFTER: Final = timedelta(minutes=30)
# One that cannot be read whole for this long is given up, too. Its jobs are sent again.
_TROUBLE_PATIENCE: Final = timedelta(hours=24)


@dataclass
class _Tally:
    """What the lines of a batch's files were."""

    settled: int = 0
    # Not JSON, or without a custom_id of ours, or too long to be an answer.
    malformed: int = 0
    # The job has another line in this file, or was settled before.
    duplicate: int = 0
    # A job that is not in this batch.
    unknown: int = 0


async def ingest(runtime: Runtime, hold: Hold) -> None:
    """Settle all that the provider's files say. Raises ProviderTrouble; then it is repeated."""
    batch = batches.batch_of(hold)
    tally, usage = _Tally(), Usage()
    troubles: list[Exception] = []
    names: tuple[tuple[Literal["output", "errors"], str | None], ...] = (
        ("output", batch.output_file_id),
        ("errors", batch.error_file_id),
    )
    for name, file_id in names:
        if file_id is None:
            continue
        try:
            await artifacts.write(runtime, batch.batch_id, name, runtime.provider.download(file_id))
        except (ProviderGone, ProviderTrouble, ProviderRefusal) as trouble:
            patience = _TROUBLE_PATIENCE if isinstance(trouble, ProviderTrouble) else _VISIBLE_AFTER
            if runtime.now() < (batch.ended_at or batch.created_at) + patience:
                raise ProviderTrouble(f"a result file cannot be read yet: {trouble}") from trouble
            log.error("result_file_given_up", batch_id=batch.batch_id, file=name, error=type(trouble).__name__)
            continue
        async for lines in artifacts.lines(runtime, batch.batch_id, name, _LINES_AT_ONCE):
            try:
                usage += await _settle_lines(runtime, batch, lines, tally)
            except Exception as trouble:  # noqa: BLE001 - raised below, when the other lines are settled
                troubles.append(trouble)
    if troubles:
        raise troubles[0]
    counted = {field.name: getattr(tally, field.name) for field in fields(tally)}
    log.info("batch_ingested", batch_id=batch.batch_id, **counted)
    # The provider's own sum counts; where it gives none, ours does.
    known = hold.fields.get("usage") or usage.fields()
    await hold.write(
        {
            "status": "settling",
            "usage": known,
            "malformedLines": tally.malformed,
            "unknownLines": tally.unknown,
        }
    )


async def _settle_lines(runtime: Runtime, batch: Batch, lines: list[bytes | None], tally: _Tally) -> Usage:
    parsed: dict[str, ResultLine] = {}
    usage = Usage()
    for line in lines:
        result = parse_result_line(line) if line else None
        if result is None:
            tally.malformed += 1
        elif result.job_id in parsed:
            tally.duplicate += 1
        else:
            parsed[result.job_id] = result
            usage += usage_of(result)
    jobs = await settlements.read_jobs(runtime, parsed)
    judged = []
    for job_id, result in parsed.items():
        job = jobs.get(job_id)
        if job is None or job.batch_id not in {batch.batch_id, None}:
            tally.unknown += 1
        elif job.status != PROCESSING or job.batch_id is None:
            tally.duplicate += 1
        else:
            judged.append(settlement_of(job, batch.lane, result, runtime.settings.max_attempts))
    await settlements.settle(runtime, judged)
    tally.settled += len(judged)
    return usage
