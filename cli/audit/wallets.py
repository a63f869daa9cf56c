"""Wallets: balance = sum of the ledger = `totalEarned` - `totalSpent`, never negative; each refund has its charge."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.audit import repairs
from cli.audit.finding import Finding
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice
from cli.audit.users import bunches
from nightshift.database.collections import LEDGER, WALLETS
from nightshift.database.commits import READ
from nightshift.database.pages import pages, read_at
from nightshift.ledger.entries import charge_id, is_of_bulk_job, refund_id
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

    from nightshift.database.pages import Snapshot


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Wallets that do not agree with their ledgers, and entries that do not agree with each other."""
    async for refs in bunches(scope.runtime, WALLETS):
        scope.looked_at["wallets"] += len(refs)
        for found in await asyncio.gather(*(found_twice(scope, partial(_of_user, ref)) for ref in refs)):
            for finding in found:
                yield finding


async def _of_user(ref: "AsyncDocumentReference", scope: Scope) -> list[Finding]:
    snapshot = await ref.get(**READ)
    found: list[Finding] = []
    balance = spent = 0
    async for page in pages(ref.collection(LEDGER), at=snapshot.read_time):
        scope.looked_at["ledger entries"] += len(page)
        entries = {entry.id: entry.to_dict() or {} for entry in page}
        balance += sum(tokens_of(entry.get("amount")) for entry in entries.values())
        spent -= sum(tokens_of(entry.get("amount")) for entry in entries.values() if _is_of_a_job(entry))
        charges = await _charges(scope.runtime, ref, page, entries)
        for entry_id, entry in entries.items():
            if fault := _fault(entry_id, entry, charges):
                found.append(_faulty(f"{ref.path}/{LEDGER}/{entry_id}", fault))
    recount = Wallet(balance=balance, total_spent=spent, total_earned=balance + spent)
    if sentence := _disagreement(snapshot, recount):
        found.append(_wrong(scope.runtime, snapshot, recount, sentence, is_certain=not found))
    return found


def _is_refund_of_a_job(entry: Mapping[str, Any]) -> bool:
    return entry.get("kind") == "refund" and entry.get("bulkId") is None


def _is_of_a_job(entry: Mapping[str, Any]) -> bool:
    return entry.get("kind") in {"charge", "refund"}


async def _charges(
    runtime: Runtime, wallet_ref: "AsyncDocumentReference", page: Sequence["Snapshot"], entries: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """The charges that belong to the refunds of a page, by their ids."""
    wanted = {charge_id(str(entry.get("jobId"))) for entry in entries.values() if _is_refund_of_a_job(entry)}
    elsewhere = [entry_id for entry_id in wanted - entries.keys() if names_a_document(entry_id)]
    ledger = wallet_ref.collection(LEDGER)
    read = await read_at(runtime, [ledger.document(entry_id) for entry_id in elsewhere], page[0].read_time)
    return {**entries, **{entry.id: entry.to_dict() or {} for entry in read.values()}}


def _fault(entry_id: str, entry: Mapping[str, Any], charges: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with one entry of a ledger."""
    amount, job_id, kind = entry.get("amount"), str(entry.get("jobId")), entry.get("kind")
    if not _is_whole(amount):
        return "Its amount is no number of tokens."
    if kind in {"charge", "refund"} and entry.get("bulkId") is not None:
        # Whether its amount is right, the bulk job's own check says.
        return (
            None if is_of_bulk_job(entry_id, str(entry["bulkId"])) else f"It is a {kind}, and names another bulk job."
        )
    if kind in {"charge", "refund"} and entry_id != (charge_id if kind == "charge" else refund_id)(job_id):
        return f"It is a {kind} of the job {job_id}, and is not named after it."
    if kind == "refund":
        charge = charges.get(charge_id(job_id))
        if charge is None:
            return "It gives back what was never charged."
        if tokens_of(charge.get("amount")) != -tokens_of(amount):
            return "It gives back another amount than was charged."
    return None


def _is_whole(amount: Any) -> bool:
    return isinstance(amount, int | float) and not isinstance(amount, bool) and amount == tokens_of(amount)


def _faulty(path: str, sentence: str) -> Finding:
    return Finding(
        check="wallets",
        subject=path,
        sentence=sentence,
        undecided="entries are never changed; a person decides which entry would set it right",
    )


def _disagreement(snapshot: "Snapshot", recount: Wallet) -> str | None:
    """How a wallet's document disagrees with its ledger."""
    if not snapshot.exists:
        return f"There is no wallet, and its ledger sums to {recount.balance}." if recount.balance else None
    fields = snapshot.to_dict() or {}
    wallet = Wallet.read(fields)
    if any(name in fields and not _is_whole(fields[name]) for name in wallet.fields()):
        return f"It holds what is no number of tokens, and its ledger sums to {recount.balance}."
    if wallet.balance != recount.balance:
        return f"Its balance is {wallet.balance}, and its ledger sums to {recount.balance}."
    if wallet.balance != wallet.total_earned - wallet.total_spent:
        return f"Its balance is {wallet.balance}; {wallet.total_earned} were earned and {wallet.total_spent} spent."
    if wallet.balance < 0:
        return f"Its balance is {wallet.balance}."
    return None


def _wrong(runtime: Runtime, snapshot: "Snapshot", recount: Wallet, sentence: str, *, is_certain: bool) -> Finding:
    path = f"{WALLETS}/{snapshot.id}"
    if recount.balance < 0 or not is_certain:
        why = "its ledger sums to less than nothing" if is_certain else "its ledger itself is wrong"
        return Finding(check="wallets", subject=path, sentence=sentence, undecided=why)

    async def rewrite() -> str:
        await repairs.rewrite_wallet(runtime, snapshot, recount)
        return f"Its balance was set to {recount.balance}, as its ledger has it."

    return Finding(check="wallets", subject=path, sentence=sentence, mend=rewrite)
