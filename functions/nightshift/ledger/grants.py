"""Grants: tokens that a user is given, as a ledger entry, in one commit with the wallet.

The entry is created under an id that its giver chose before. So a grant whose answer was lost is given again under the
same id: either it finds its entry, or it can land once.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.ledger import entries
from nightshift.ledger.posting import entry_ref, post, wallet_ref
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a user has, and what was granted under one id."""

    # None if it does not exist yet.
    wallet: Wallet | None
    # None if nothing was granted under this id yet.
    tokens: int | None
    # Whether it was granted by this call, as far as that can be known: after a lost answer, one that is found is ours.
    is_new: bool = False


async def read(runtime: Runtime, user_id: str, entry_id: str) -> Grant:
    """What is there before a grant. Reads two documents."""
    wallet, entry = await _read(runtime, user_id, entry_id)
    return _standing(wallet, entry)


async def grant(runtime: Runtime, user_id: str, tokens: int, entry_id: str) -> Grant:
    """Add tokens to a user's wallet, once however often this is called with the same id.

    If there is an entry of this id, nothing changes, whatever its amount. Of the wallet only what a grant changes is
    written; a user without one gets one. Reads two documents and writes two.

    Raises:
        TryLater, GoogleAPIError: it is not known whether it was granted; the same call finds out.
    """
    may_be_ours = False
    async for _ in attempts():
        wallet, entry = await _read(runtime, user_id, entry_id)
        if entry.exists:
            return _standing(wallet, entry, is_new=may_be_ours)
        commit = Commit(runtime)
        after = post(commit, wallet, [entries.grant(entry_id, tokens)])
        try:
            await commit.send()
        except Undecided as doubt:
            may_be_ours = may_be_ours or not doubt.is_refusal
        else:
            return Grant(wallet=after, tokens=tokens, is_new=True)
    raise AssertionError("attempts() ends by raising")


async def _read(runtime: Runtime, user_id: str, entry_id: str) -> "tuple[DocumentSnapshot[Any], DocumentSnapshot[Any]]":
    refs = [wallet_ref(runtime, user_id), entry_ref(runtime, user_id, entry_id)]
    found = {snapshot.reference.path: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ)}
    wallet, entry = (found[ref.path] for ref in refs)
    return wallet, entry


def _standing(wallet: "DocumentSnapshot[Any]", entry: "DocumentSnapshot[Any]", *, is_new: bool = False) -> Grant:
    return Grant(
        wallet=Wallet.read(wallet.to_dict()) if wallet.exists else None,
        tokens=tokens_of(entry.get("amount")) if entry.exists else None,
        is_new=is_new,
    )
