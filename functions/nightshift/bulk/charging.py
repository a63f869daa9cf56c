"""Charge: `quoted` → `running`, once its user, an operator or `maxTokens` confirms the price.

One ledger entry pays all items that are open, or, where a bulk job is run again, all that are run again: these parts
are opened in the same commit. So at every moment what was charged and not refunded is the price of what is completed
and of what is open.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift import job_types
from nightshift.bulk import documents, ending, forecast, refusals, transitions
from nightshift.bulk.again import Reopened, reopened
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.forecast import LeftToDo
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.errors import JobRefused
from nightshift.ledger.entries import bulk_charge
from nightshift.ledger.limits import Admissions, UserLimits
from nightshift.ledger.posting import post, wallet_ref
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.texts import Text
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

log = structlog.get_logger()

# What a part that is run again has not met yet.
_ANEW: Final = {
    **dict.fromkeys(("expireAt", "tries", "startedAt", "nextAttemptAt", "lane", "sparedSince"), DELETE_FIELD),
    "updatedAt": SERVER_TIMESTAMP,
}
# A quote that was not confirmed for so long is over: it counts against the user's open bulk jobs.
_QUOTE_LASTS: Final = timedelta(days=7)


async def charge(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder) -> bool:
    """Charge a quoted bulk job if that is confirmed. Returns whether it has moved on.

    Raises:
        LeaseHeld: another process has it.
        TryLater: too many writers at once.
    """
    quote: Mapping[str, Any] = bulk.quote or {}
    price = job_types.find(bulk.type).tokens[bulk.speed or "batch"]
    tokens = tokens_of(quote.get("items")) * price
    if not tokens:
        await ending.end_without_items(runtime, bulk, holder)
    elif _is_confirmed(bulk, tokens):
        await _charge(runtime, bulk, holder, price, tokens)
    elif bulk.wish == "confirm":
        # It costs more than that: it waits for another confirmation.
        await transitions.decline(holder)
        return False
    elif bulk.quoted_at and runtime.now() >= bulk.quoted_at + _QUOTE_LASTS:
        await ending.cancel_unconfirmed(runtime, bulk, holder)
    else:
        return False
    return True


async def _charge(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, price: int, tokens: int) -> None:
    again = await reopened(runtime, bulk) if bulk.charges else []
    left = LeftToDo(waiting=len(again) or bulk.parts, open=tokens_of((bulk.quote or {}).get("items")))
    told = forecast.told(bulk, await forecast.forecast(runtime, bulk, left, bulk.speed or "batch"))
    limits = UserLimits(per_day=0, in_flight=0, failed_usd=runtime.settings.max_failed_usd_per_day)
    async for _ in attempts():
        wallet = await wallet_ref(runtime, bulk.user_id).get(**READ)
        balance = Wallet.read(wallet.to_dict())
        if not wallet.exists or not balance.covers(tokens):
            has = balance.balance if wallet.exists else 0
            sentence = Text.TOKENS_MISSING.say(price=tokens, balance=has)
            await refusals.refuse(runtime, bulk, holder, JobRefused("insufficient_tokens", sentence))
            return
        admissions = Admissions.read(wallet.to_dict(), runtime.today)
        try:
            # A retry brings its tokens back where it fails again: they alone would not bound it.
            admissions.check_failures(limits)
        except JobRefused as refusal:
            await refusals.refuse(runtime, bulk, holder, refusal)
            return
        if not bulk.charges:
            admissions = admissions.with_quote_paid()
        pay = _paying(runtime, bulk, wallet, tokens, admissions, again)
        try:
            await transitions.charge(holder, bulk, price, told, pay)
        except Undecided as doubt:
            if doubt.already_exists:
                # The ledger keeps the charge of an expired bulk job that had the same id.
                await refusals.refuse(runtime, bulk, holder, JobRefused("invalid_input", Text.ID_USED.say()))
                return
            continue
        log.info("bulk_charged", bulk_id=bulk.bulk_id, tokens=tokens, speed=bulk.speed)
        return


def _is_confirmed(bulk: BulkJob, tokens: int) -> bool:
    if bulk.wish == "confirm":
        return bulk.wish_tokens is None or tokens <= bulk.wish_tokens
    return not bulk.charges and bulk.max_tokens is not None and tokens <= bulk.max_tokens


def _paying(
    runtime: Runtime,
    bulk: BulkJob,
    wallet: "DocumentSnapshot[Any]",
    tokens: int,
    admissions: Admissions,
    again: list[Reopened],
) -> Any:
    def pay(writes: Commit) -> None:
        post(writes, wallet, [bulk_charge(bulk.bulk_id, bulk.charges + 1, tokens)], admissions)
        for part in again:
            ref = documents.part_ref(runtime, bulk.bulk_id, part.part)
            fields = {**part.fields(), **_ANEW}
            writes.update(ref, fields, read_as_of=part.update_time)

    return pay
