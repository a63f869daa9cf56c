"""Refunds: a job's tokens come back as a ledger entry, in one commit with the wallet and whatever the reason is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import LEDGER, WALLETS
from nightshift.database.commits import READ, Commit
from nightshift.ledger.entries import charge_id, refund_id
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot


class Refunds:
    """What one user gets back for some jobs, as the ledger says it now."""

    def __init__(
        self, runtime: Runtime, wallet_ref: "AsyncDocumentReference", read: Mapping[str, "DocumentSnapshot[Any]"]
    ) -> None:
        self._client = runtime.firestore
        self._wallet_ref = wallet_ref
        self._read = read

    @classmethod
    async def read(cls, runtime: Runtime, user_id: str, job_ids: Sequence[str]) -> "Refunds":
        """Read the wallet, and the jobs' charges and refunds."""
        wallet_ref = runtime.firestore.collection(WALLETS).document(user_id)
        ledger = wallet_ref.collection(LEDGER)
        entry_ids = [entry_id(job_id) for job_id in job_ids for entry_id in (charge_id, refund_id)]
        refs = [wallet_ref, *(ledger.document(entry_id) for entry_id in entry_ids)]
        read = {snapshot.reference.path: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ)}
        return cls(runtime, wallet_ref, read)

    def tokens(self, job_id: str) -> int:
        """How many tokens come back: what was charged, unless it was refunded already or there is no wallet."""
        charge = self._read[self._entry_ref(charge_id(job_id)).path].to_dict() or {}
        was_refunded = self._read[self._entry_ref(refund_id(job_id)).path].exists
        has_wallet = self._read[self._wallet_ref.path].exists
        return max(0, -tokens_of(charge.get("amount"))) if has_wallet and not was_refunded else 0

    def write(self, writes: Commit, job_ids: Sequence[str]) -> None:
        """Add the jobs' refunds, and the wallet under the update time at which it was read."""
        refunds = {job_id: tokens for job_id in job_ids if (tokens := self.tokens(job_id))}
        for job_id, tokens in refunds.items():
            writes.create(
                self._entry_ref(refund_id(job_id)),
                {"amount": tokens, "kind": "refund", "jobId": job_id, "createdAt": SERVER_TIMESTAMP},
            )
        if refunds:
            snapshot = self._read[self._wallet_ref.path]
            wallet = Wallet.read(snapshot.to_dict()).refunded(sum(refunds.values()))
            writes.update(
                self._wallet_ref,
                {**wallet.fields(), "updatedAt": SERVER_TIMESTAMP},
                read_as_of=snapshot.update_time,
            )

    def _entry_ref(self, entry_id: str) -> "AsyncDocumentReference":
        ref: AsyncDocumentReference = self._wallet_ref.collection(LEDGER).document(entry_id)
        return ref
