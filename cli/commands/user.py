"""`user`: one user: wallet, limits, earnings, messages, the last entries of the ledger, the last jobs.

Reads the wallet, the economy, the preferences, at most ten entries and ten jobs, and two counts.
"""

import asyncio
from argparse import ArgumentParser, Namespace
from math import inf
from typing import Any, Final

from google.cloud.firestore import FieldFilter, Query

from cli.commands import jobs
from cli.commands.arguments import user_id
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.printing import Printer
from nightshift.database.collections import LEDGER, WALLETS
from nightshift.database.commits import READ
from nightshift.earning.economy import Economy
from nightshift.earning.points import economy_ref
from nightshift.jobs.documents import jobs_where
from nightshift.ledger.limits import Admissions
from nightshift.notify import wishes
from nightshift.notify.preferences import MessagePreferences
from nightshift.pricing import shares
from nightshift.runtime import Runtime
from nightshift.values.status import PROCESSING, QUEUED
from nightshift.values.told import dollars

_LAST: Final = 10
_WALLET: Final = ("balance", "totalEarned", "totalSpent", "updatedAt")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    uid = options.uid
    ref = runtime.firestore.collection(WALLETS).document(uid)
    ledger = ref.collection(LEDGER).order_by("createdAt", direction=Query.DESCENDING).limit(_LAST)
    wallet, entries, newest, in_flight, earnings, messages = await asyncio.gather(
        ref.get(**READ),
        ledger.get(**READ),
        jobs.newest_of(runtime, uid, _LAST),
        _in_flight(runtime, uid),
        _earnings(runtime, uid),
        _messages(runtime, uid),
    )
    if not wallet.exists and not entries and not newest:
        raise Refused(f"{uid} has no wallet and no jobs in {runtime.settings.project}.")
    fields = wallet.to_dict() or {}
    printer.record("wallet", {"userId": uid, **{name: fields.get(name) for name in _WALLET}})
    if not wallet.exists:
        printer.say(" There is no wallet: every job is refused until tokens are granted.", style="yellow")
    printer.record("limits", await _limits(runtime, uid, fields, in_flight))
    if earnings:
        printer.record("earnings", earnings)
    printer.record("messages", messages)
    printer.table("ledgerEntry", [_entry(entry.id, entry.to_dict() or {}) for entry in entries])
    printer.table("job", newest, _COLUMNS)
    if not newest:
        printer.say(" No jobs.")
    return ExitCode.DONE


# All are this user's.
_COLUMNS: Final = {**jobs.COLUMNS, "Job": ["jobId"]}


async def _in_flight(runtime: Runtime, uid: str) -> int:
    query = jobs_where(runtime, userId=uid).where(filter=FieldFilter("status", "in", [QUEUED, PROCESSING]))
    return int((await query.count().get(**READ))[0][0].value)


async def _earnings(runtime: Runtime, uid: str) -> dict[str, Any]:
    """What the user has earned besides tokens; empty for one who has earned nothing."""
    snapshot = await economy_ref(runtime, uid).get(**READ)
    if not snapshot.exists:
        return {}
    economy = Economy.read(snapshot.to_dict())
    streak = f"{economy.streak.length} days, the longest {economy.streak.longest}" if economy.streak.day else "none"
    return {
        "points": economy.points,
        "answered": economy.answered,
        "streak": streak,
        "lastLogin": economy.streak.day,
        "timeZone": economy.calendar.zone,
    }


async def _messages(runtime: Runtime, uid: str) -> dict[str, Any]:
    """By which ways the user hears of an end, and how many devices there are. No address and no device's name."""
    wanted = MessagePreferences.read(await wishes.read_preferences(runtime, uid))
    quiet = wanted.quiet_hours
    return {
        "email": wanted.email,
        "push": wanted.push,
        "about": ", ".join(wanted.topics),
        "language": wanted.language,
        "quietHours": f"{_clock(quiet.begin)} to {_clock(quiet.end)} {quiet.zone}" if quiet else None,
        "devices": await wishes.number_of_devices(runtime, uid),
    }


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


async def _limits(runtime: Runtime, uid: str, wallet: dict[str, Any], in_flight: int) -> dict[str, Any]:
    """What the user has used of each limit, as the settings of this shell have it."""
    settings, used = runtime.settings, Admissions.read(wallet, runtime.today)
    told = {
        "jobsToday": _of(used.on_day, settings.max_jobs_per_day),
        "jobsInFlight": _of(in_flight, settings.max_jobs_in_flight),
        "failedToday": _dollars_of(used.failed_usd, settings.max_failed_usd_per_day),
    }
    if settings.daily_budget_usd:
        told["budgetShareToday"] = _dollars_of(await shares.taken_usd(runtime, uid), shares.share_usd(settings))
    return told


def _of(used: int, limit: int) -> str:
    return f"{used:,} of {limit:,}" if limit else f"{used:,}, without a limit"


def _dollars_of(used: float, limit: float) -> str:
    return f"{dollars(used)} of {dollars(limit)}" if 0 < limit < inf else f"{dollars(used)}, without a limit"


def _entry(entry_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"entryId": entry_id, **{name: fields.get(name) for name in ("kind", "amount", "createdAt")}}


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("uid", type=user_id, metavar="UID", help="the user's uid in Firebase Auth")


COMMAND: Final = Command(
    name="user",
    help="one user: wallet, limits, earnings, messages, the last ledger entries and jobs",
    description="The user's wallet, what the user has used of each limit (as the settings of this shell have it), what "
    "the user earned, and by which ways the user hears of an end, with the number of devices. Then the "
    f"last {_LAST} entries of the ledger and the last {_LAST} jobs. What the user wrote and got is not read.",
    example="user kX3vQ9aBcD",
    add_arguments=_add_arguments,
    run=_run,
)
