"""Check: `created` → `reading`, or `failed`. Nothing is read of the source before it is clear that it may be.

Nor are the rows in the document, a megabyte perhaps, for a user who can pay for none of them.

A user's open bulk jobs are counted. The commit rests on the wallet as it was read before the count, and writes it. So
of two bulk jobs that are checked at once, the second is counted with the first.
"""

import structlog
from pydantic import ValidationError

from nightshift import job_types
from nightshift.bulk import documents, refusals, source_file, transitions
from nightshift.bulk.bulk_job import BulkJob, BulkRequest
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.database.oversized import UNREAD
from nightshift.errors import JobRefused, NeverLands
from nightshift.job_types.base import reasons
from nightshift.jobs.lane import lane_for
from nightshift.ledger.limits import Admissions, UserLimits
from nightshift.ledger.posting import count_admissions, wallet_ref
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.ids import is_job_id, names_a_document
from nightshift.values.lane import Lane
from nightshift.values.texts import Text

log = structlog.get_logger()


async def check(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder) -> None:
    """Let a bulk job be read, or refuse it. Raises TryLater."""
    try:
        await _check_account(runtime, bulk)
        request = await checked_request(runtime, bulk)
        lane = lane_for(runtime, job_types.find(request.type))
        generation = None
        if request.source:
            generation = await source_file.check(runtime, request.userId, request.source)
        await _delete_older_parts(runtime, bulk)
        await _admit(runtime, bulk, holder, lane, generation)
    except JobRefused as refusal:
        await refusals.refuse(runtime, bulk, holder, refusal)
        return
    except NeverLands:
        # Its rows fill the document: what begins the reading has no room there. A refusal drops them.
        reason = "the bulk job's document is too large"
        await refusals.refuse(runtime, bulk, holder, JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), reason))
        return
    log.info("bulk_admitted", bulk_id=bulk.bulk_id, lane=str(lane))


async def checked_request(runtime: Runtime, bulk: BulkJob) -> BulkRequest:
    """What the client wrote. The rows in the document are read with it while they are there. Raises JobRefused."""
    if not is_job_id(bulk.bulk_id):
        raise JobRefused(
            "invalid_input",
            Text.REQUEST_UNREADABLE.say(),
            "the bulk job's id may hold 1 to 60 letters, digits, hyphens and underscores",
        )
    fields = (await documents.read_request(runtime, bulk.bulk_id)).to_dict() or {}
    if UNREAD in fields.values():
        raise JobRefused(
            "invalid_input", Text.REQUEST_TOO_LARGE.say(), "the rows, or the template, have too many values"
        )
    try:
        return BulkRequest.model_validate(fields)
    except ValidationError as invalid:
        raise JobRefused("invalid_input", Text.REQUEST_UNREADABLE.say(), reasons(invalid, BulkRequest)) from None


async def _check_account(runtime: Runtime, bulk: BulkJob) -> None:
    """Raise JobRefused for a user who can pay for no row."""
    if names_a_document(bulk.user_id):
        wallet = await wallet_ref(runtime, bulk.user_id).get(["balance"], **READ)
        if Wallet.read(wallet.to_dict()).covers(1):
            return
    raise JobRefused("insufficient_tokens", Text.NO_TOKENS.say())


async def _admit(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, lane: Lane, generation: int | None) -> None:
    settings = runtime.settings
    most = settings.max_open_bulk_jobs
    limits = UserLimits(per_day=0, in_flight=0, failed_usd=settings.max_failed_usd_per_day)
    async for _ in attempts():
        wallet = await wallet_ref(runtime, bulk.user_id).get(**READ)
        if not wallet.exists or not Wallet.read(wallet.to_dict()).covers(1):
            raise JobRefused("insufficient_tokens", Text.NO_TOKENS.say())
        admissions = Admissions.read(wallet.to_dict(), runtime.today)
        admissions.check_failures(limits)
        if most and await documents.count_admitted(runtime, bulk.user_id) >= most:
            raise JobRefused("too_many_jobs", Text.LIMIT_OF_TABLES.say(limit=most))
        with_it = admissions.with_quote()

        def prove(writes: Commit, wallet: "object" = wallet, admissions: Admissions = with_it) -> None:
            count_admissions(writes, wallet, admissions)  # type: ignore[arg-type]

        try:
            await transitions.begin_reading(holder, lane, settings.part_items, generation, prove)
        except Undecided:
            continue
        return


async def _delete_older_parts(runtime: Runtime, bulk: BulkJob) -> None:
    """Delete the parts of an expired bulk job that had the same id."""
    while left := await documents.part_refs(runtime, bulk.bulk_id):
        commit = Commit(runtime)
        for ref in left:
            commit.delete(ref)
        await commit.send()
