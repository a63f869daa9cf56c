"""Claims: a user asks for what they have earned. Each is one commit: ledger entry, wallet, economy.

The entry's id is the cap: one login a day, five conversions a day, one welcome, each achievement once. An entry is
created, never set, so devices that claim at once, and answers that are lost, give a token once. What is there already
is no error: the claim says what it finds.

The caller has checked that the account's address is verified. The first claim of an account brings its welcome, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.earning import points
from nightshift.earning.achievements import achievements
from nightshift.earning.economy import POINTS_FOR_A_TOKEN, Economy
from nightshift.errors import HttpError
from nightshift.ledger import entries
from nightshift.ledger.entries import Entry
from nightshift.ledger.posting import entry_ref, post, wallet_ref
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

_OFF: Final = "Earning tokens is switched off in this app."


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a claim has found or made."""

    # The tokens of the entry that was claimed; of an older one if it was there before.
    tokens: int
    # Whether this claim made it, as far as that can be known: after a lost answer, one that is found is ours.
    is_new: bool
    # What the account was given with its first claim, in this commit.
    welcome_tokens: int
    wallet: Wallet
    economy: Economy


class _Read:
    """What was read of a user for a claim."""

    def __init__(self, found: Mapping[str, "DocumentSnapshot[Any]"], user_id: str, runtime: Runtime) -> None:
        self._found = found
        self._user_id = user_id
        self._runtime = runtime
        self.wallet = found[wallet_ref(runtime, user_id).path]
        self.document = found[points.economy_ref(runtime, user_id).path]

    def entry(self, entry_id: str) -> Mapping[str, Any] | None:
        """An entry's fields; None if it is not there."""
        snapshot = self._found[entry_ref(self._runtime, self._user_id, entry_id).path]
        return snapshot.to_dict() or {} if snapshot.exists else None


async def daily_login(runtime: Runtime, user_id: str, time_zone: str | None = None) -> Claimed:
    """Claim the tokens of the user's day. Reads five documents at most, writes four at most.

    Args:
        time_zone: the zone that the user has chosen. It is stored if it may be changed, and else passed over.

    Raises:
        TryLater, GoogleAPIError: it is not known whether it was given; the same call finds out.
    """

    def decide(read: _Read, economy: Economy, ids: Sequence[str]) -> tuple[Entry, Economy] | int:
        (entry_id,) = ids
        entry = read.entry(entry_id)
        if entry is not None:
            return tokens_of(entry.get("amount"))
        day = str(economy.calendar.day)
        return entries.login(day), economy.with_login(day)

    def ids_of(economy: Economy) -> list[str]:
        return [entries.login(str(economy.calendar.day)).entry_id]

    return await _claim(runtime, user_id, ids_of, decide, time_zone=time_zone)


async def convert(runtime: Runtime, user_id: str, tokens: int = 1, request_key: str | None = None) -> Claimed:
    """Turn points into tokens: 100 for one, five times a day.

    Args:
        tokens: how many, in one conversion.
        request_key: what tells this request from others; the same key of a day is one conversion.

    Raises:
        HttpError: 409 `not_enough_points` or `daily_limit`.
        TryLater, GoogleAPIError: it is not known whether it was done; the same call with the same key finds out.
    """
    key = request_key or token_hex(16)

    def decide(read: _Read, economy: Economy, ids: Sequence[str]) -> tuple[Entry, Economy] | int:
        made = {entry_id: entry for entry_id in ids if (entry := read.entry(entry_id)) is not None}
        for entry in made.values():
            if entry.get("requestKey") == key:
                return tokens_of(entry.get("amount"))
        free = next((entry_id for entry_id in ids if entry_id not in made), None)
        if free is None:
            raise HttpError(409, "daily_limit", f"Points are turned into tokens {len(ids)} times a day. Come tomorrow.")
        cost = tokens * POINTS_FOR_A_TOKEN
        if economy.points < cost:
            raise HttpError(409, "not_enough_points", f"This takes {cost} points; you have {economy.points}.")
        return entries.conversion(free, tokens, key), economy.without_points(cost)

    def ids_of(economy: Economy) -> list[str]:
        return entries.conversion_ids(str(economy.calendar.day))

    return await _claim(runtime, user_id, ids_of, decide)


async def claim_achievement(runtime: Runtime, user_id: str, achievement_id: str) -> Claimed:
    """Claim the tokens of an achievement.

    Raises:
        HttpError: 404 `not_found`; 409 `not_reached`.
        TryLater, GoogleAPIError: it is not known whether it was given; the same call finds out.
    """
    achievement = achievements().get(achievement_id)
    if achievement is None:
        raise HttpError(404, "not_found", "There is no such achievement.")
    entry = entries.achievement(achievement.id, achievement.tokens)

    def decide(read: _Read, economy: Economy, _: Sequence[str]) -> tuple[Entry, Economy] | int:
        given = read.entry(entry.entry_id)
        if given is not None:
            return tokens_of(given.get("amount"))
        if not achievement.is_reached(economy):
            reached = f"{achievement.count(economy)} of {achievement.at_least}"
            raise HttpError(409, "not_reached", f"“{achievement.title}” is not reached yet: {reached}.")
        return entry, economy

    return await _claim(runtime, user_id, lambda _: [entry.entry_id], decide)


async def _claim(
    runtime: Runtime,
    user_id: str,
    ids_of: Callable[[Economy], list[str]],
    decide: Callable[[_Read, Economy, Sequence[str]], tuple[Entry, Economy] | int],
    time_zone: str | None = None,
) -> Claimed:
    """Read, decide, commit; again after any doubt.

    Args:
        ids_of: the entries that the claim is about, by the economy of the user's day.
        decide: the entry to make, and the economy after it; or the tokens of the one that is there.
    """
    if not runtime.settings.economy:
        raise HttpError(404, "not_found", _OFF)
    may_be_ours = False
    async for _ in attempts():
        read, before, ids = await _read(runtime, user_id, ids_of, runtime.now(), time_zone)
        is_first = read.entry(entries.WELCOME_ID) is None
        decided = decide(read, before, ids)
        made, after = ([], before) if isinstance(decided, int) else ([decided[0]], decided[1])
        new_entries = [*([entries.welcome()] if is_first else []), *made]
        tokens = decided if isinstance(decided, int) else decided[0].amount
        if not new_entries and after == Economy.read(read.document.to_dict()):
            wallet = Wallet.read(read.wallet.to_dict())
            return Claimed(tokens=tokens, is_new=may_be_ours, welcome_tokens=0, wallet=wallet, economy=after)
        commit = Commit(runtime)
        wallet = post(commit, read.wallet, new_entries) if new_entries else Wallet.read(read.wallet.to_dict())
        for entry in made:
            if entry.kind == "conversion":
                points.take_for_tokens(commit, read.document, entry.entry_id, entry.amount)
        points.write(commit, read.document, after)
        try:
            await commit.send()
        except Undecided as doubt:
            may_be_ours = may_be_ours or (bool(made) and not doubt.is_refusal)
        else:
            return Claimed(
                tokens=tokens,
                is_new=bool(made) or may_be_ours,
                welcome_tokens=entries.WELCOME_TOKENS if is_first else 0,
                wallet=wallet,
                economy=after,
            )
    raise AssertionError("attempts() ends by raising")


async def _read(
    runtime: Runtime,
    user_id: str,
    ids_of: Callable[[Economy], list[str]],
    now: datetime,
    time_zone: str | None,
) -> tuple[_Read, Economy, list[str]]:
    """The user's documents, the economy on the day that goes on, and the ids of the entries."""
    refs = [
        wallet_ref(runtime, user_id),
        points.economy_ref(runtime, user_id),
        entry_ref(runtime, user_id, entries.WELCOME_ID),
    ]
    found = await _get(runtime, refs)
    economy = Economy.read(found[refs[1].path].to_dict()).on_day(now, time_zone)
    ids = ids_of(economy)
    found |= await _get(runtime, [entry_ref(runtime, user_id, entry_id) for entry_id in ids])
    return _Read(found, user_id, runtime), economy, ids


async def _get(runtime: Runtime, refs: list[Any]) -> dict[str, "DocumentSnapshot[Any]"]:
    return {snapshot.reference.path: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ)}
