"""Refunds: a job's tokens come back as a ledger entry, in one commit with the wallet and whatever the reason is.

What such a job has cost us is counted in the wallet's admissions by the same commit: exactly once, like the refund.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nightshift.database.collections import LEDGER
from nightshift.database.commits import READ, Commit
from nightshift.ledger.entries import charge_id, refund, refund_id
from nightshift.ledger.limits import Admissions
from nightshift.ledger.posting import entry_ref, post, wallet_ref
from nightshift.runtime import Runtime
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot


def comes_back(charge: Mapping[str, Any] | None, *, was_refunded: bool) -> int:
    """How many tokens of a job's charge, as its entry has it, are still to be given back."""
    return 0 if was_refunded else max(0, -tokens_of((charge or {}).get("amount")))


class Refunds:
    """What one user gets back for some jobs, as the ledger says it now."""

    def __init__(
        self, runtime: Runtime, wallet_ref: "AsyncDocumentReference", read: Mapping[str, "DocumentSnapshot[Any]"]
    ) -> None:
        self._today = runtime.today
        self._wallet_ref = wallet_ref
        self._read = read

    @classmethod
    async def read(cls, runtime: Runtime, user_id: str, job_ids: Sequence[str]) -> "Refunds":
        """Read the wallet, and the jobs' charges and refunds."""
        wallet = wallet_ref(runtime, user_id)
        entry_ids = [entry_id(job_id) for job_id in job_ids for entry_id in (charge_id, refund_id)]
        refs = [wallet, *(entry_ref(runtime, user_id, entry_id) for entry_id in entry_ids)]
        read = {snapshot.reference.path: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ)}
        return cls(runtime, wallet, read)

    def tokens(self, job_id: str) -> int:
        """How many tokens come back: what was charged, unless it was refunded already or there is no wallet."""
        charge = self._read[self._entry_ref(charge_id(job_id)).path].to_dict() or {}
        was_refunded = self._read[self._entry_ref(refund_id(job_id)).path].exists
        has_wallet = self.wallet.exists
        return comes_back(charge, was_refunded=was_refunded) if has_wallet else 0

    @property
    def wallet(self) -> "DocumentSnapshot[Any]":
        """The wallet as it was read; it may not exist."""
        return self._read[self._wallet_ref.path]

    @property
    def admissions(self) -> Admissions:
        """The user's admissions, as of today."""
        return Admissions.read(self.wallet.to_dict(), self._today)

    def write(self, writes: Commit, job_ids: Sequence[str], failed_usd: float = 0.0) -> None:
        """Add the jobs' refunds and what they cost us, and the wallet under the update time at which it was read."""
        refunds = {job_id: tokens for job_id in job_ids if (tokens := self.tokens(job_id))}
        wallet = self.wallet
        if refunds or (failed_usd and wallet.exists):
            failed = self.admissions.with_failed(failed_usd) if failed_usd else None
            post(writes, wallet, [refund(job_id, tokens) for job_id, tokens in refunds.items()], failed)

    def _entry_ref(self, entry_id: str) -> "AsyncDocumentReference":
        ref: AsyncDocumentReference = self._wallet_ref.collection(LEDGER).document(entry_id)
        return ref
