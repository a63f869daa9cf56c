"""The one writer of wallets and their entries. Each function adds writes to the commit of its caller.

A wallet and the entries that change it are written together, under the update time at which the wallet was read. So a
balance is the sum of its entries at any moment, and the slower of two writers is refused as a whole.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import LEDGER, WALLETS
from nightshift.database.commits import READ, Commit
from nightshift.ledger.entries import Entry
from nightshift.ledger.limits import Admissions
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot


def wallet_ref(runtime: Runtime, user_id: str) -> "AsyncDocumentReference":
    """Where a user's wallet lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(WALLETS).document(user_id)
    return ref


def entry_ref(runtime: Runtime, user_id: str, entry_id: str) -> "AsyncDocumentReference":
    """Where an entry of a user's ledger lies."""
    ref: AsyncDocumentReference = wallet_ref(runtime, user_id).collection(LEDGER).document(entry_id)
    return ref


async def read_wallet(runtime: Runtime, user_id: str) -> "DocumentSnapshot[Any]":
    """A user's wallet as it is now."""
    snapshot: DocumentSnapshot[Any] = await wallet_ref(runtime, user_id).get(**READ)
    return snapshot


def post(
    writes: Commit, wallet: "DocumentSnapshot[Any]", entries: Sequence[Entry], admissions: Admissions | None = None
) -> Wallet:
    """Add entries and the wallet that follows from them. A user without a wallet gets one.

    Args:
        wallet: as it was read.
        admissions: what counts against the user's limits from now on; None leaves it as it was.

    Returns:
        The wallet, once the commit has landed.
    """
    after = Wallet.read(wallet.to_dict())
    for entry in entries:
        after = after.with_entry(entry)
        writes.create(
            wallet.reference.collection(LEDGER).document(entry.entry_id),
            {**entry.fields(), "createdAt": SERVER_TIMESTAMP},
        )
    _write(writes, wallet, {**after.fields(), **(admissions.fields() if admissions else {})})
    return after


def count_admissions(writes: Commit, wallet: "DocumentSnapshot[Any]", admissions: Admissions) -> None:
    """Write what counts against the user's limits, and no token."""
    _write(writes, wallet, admissions.fields())


def rewrite(writes: Commit, wallet: "DocumentSnapshot[Any]", summed_up: Wallet) -> None:
    """Write a wallet as its ledger has it, under the reading at which the ledger was summed up."""
    _write(writes, wallet, summed_up.fields())


def _write(writes: Commit, wallet: "DocumentSnapshot[Any]", fields: dict[str, Any]) -> None:
    fields = {**fields, "updatedAt": SERVER_TIMESTAMP}
    if wallet.exists:
        writes.update(wallet.reference, fields, read_as_of=wallet.update_time)
    else:
        writes.create(wallet.reference, fields)
