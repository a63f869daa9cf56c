"""Charging: `created` → `queued`, the charges of one wallet together.

A user who writes ten thousand photos at once makes one wallet hot, and every charge moves its update time. So an
instance charges a wallet by group commit: one reading of the wallet, and one commit with all the jobs that have
gathered, their ledger entries, and the wallet once. All of it lands or nothing, so a crash leaves each job either
`created`, or `queued` and paid.

The jobs of a group are taken in the order in which they came, each that the balance still covers. A refusal stands only
when the balance it rests on was current: nobody was covered and nothing had to be written, or the commit landed.

After a commit that was refused or that nobody knows about:

- The wallet moved, and the first job did not: another instance wrote the wallet. This commit did not land, and under
  the wallet's update time that it carries it never will.
- The wallet did not move, and nothing was refused: it has not landed. It is sent again, and at most one of the two
  lands.
- Otherwise the group's jobs are read again. Those that changed were decided, by a commit whose answer was lost or by
  somebody else; the rest goes on without them.
- A ledger entry was there already: the entries are read, and then the jobs. A job that is still undecided and whose
  entry exists was paid for earlier under the same id, and it alone is refused. In this order, a commit of ours that
  lands in between is seen with its job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.model.errors import JobRefused
from nightshift.model.job import QUEUED
from nightshift.model.lane import Lane
from nightshift.model.ledger import Wallet, charge_id
from nightshift.runtime import Runtime
from nightshift.store import reads
from nightshift.store.admissions import Written, was_decided
from nightshift.store.commits import READ, Commit, Undecided, attempts
from nightshift.store.documents import JOBS, LEDGER, WALLETS
from nightshift.store.gathering import Gathered, Gathering

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

# Two small documents each: some 30 kB of the 4 MiB that one commit may hold.
_MOST_CHARGES: Final = 100


@dataclass(frozen=True, kw_only=True)
class _Charge:
    """A job to be paid and queued, as it was read at `update_time`."""

    job_id: str
    user_id: str
    update_time: datetime
    lane: Lane
    tokens: int
    priority: int


async def charge_and_queue(runtime: Runtime, job: Written, *, lane: Lane, tokens: int, priority: int) -> None:
    """Charge the user and queue the job, in one commit; nothing happens if the job was decided meanwhile.

    Raises:
        JobRefused: insufficient_tokens; or invalid_input for an id under which a job was paid before.
    """
    charge = _Charge(
        job_id=job.job_id,
        user_id=job.user_id,
        update_time=job.update_time,
        lane=lane,
        tokens=tokens,
        priority=priority,
    )
    await runtime.kept(_charges).ask(charge, at=job.user_id)


def _charges(runtime: Runtime) -> Gathering[_Charge, None]:
    return Gathering(partial(_charge_group, runtime), most=_MOST_CHARGES)


async def _charge_group(runtime: Runtime, outcomes: Gathered[_Charge, None]) -> None:
    """Decide each charge of one wallet."""
    undecided = list(outcomes)
    wallet_path = f"{WALLETS}/{undecided[0].user_id}"
    snapshot = await reads.read(runtime, wallet_path)
    async for _ in attempts():
        covered, wallet = _cover(Wallet.read(snapshot.to_dict()), undecided)
        try:
            if covered:
                await _commit(runtime, snapshot, wallet, covered)
        except Undecided as doubt:
            before, snapshot = snapshot, await reads.read(runtime, wallet_path)
            wallet_moved = snapshot.update_time != before.update_time
            if doubt.already_exists or (await _changed(runtime, covered[0]) if wallet_moved else doubt.is_refusal):
                await _tell_decided(runtime, outcomes, covered, any_was_paid=doubt.already_exists)
                undecided = [charge for charge in undecided if not outcomes[charge].done()]
            if not undecided:
                return
        else:
            _tell_all(outcomes, undecided, covered, wallet)
            return


def _cover(wallet: Wallet, charges: Sequence[_Charge]) -> tuple[list[_Charge], Wallet]:
    """The charges that the balance covers, in their order, and the wallet after them."""
    covered = []
    for charge in charges:
        if wallet.covers(charge.tokens):
            wallet = wallet.charged(charge.tokens)
            covered.append(charge)
    return covered, wallet


async def _commit(runtime: Runtime, read: "DocumentSnapshot[Any]", wallet: Wallet, charges: Sequence[_Charge]) -> None:
    """Queue the jobs, and write what they cost. Raises Undecided."""
    client = runtime.firestore
    commit = Commit(runtime)
    for charge in charges:
        commit.update(
            client.collection(JOBS).document(charge.job_id),
            {
                "status": QUEUED,
                "lane": str(charge.lane),
                "priority": charge.priority,
                "tokensSpent": charge.tokens,
                "attempts": 0,
                "queuedAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
            },
            read_as_of=charge.update_time,
        )
        commit.create(
            _entry_ref(runtime, charge),
            {"amount": -charge.tokens, "kind": "charge", "jobId": charge.job_id, "createdAt": SERVER_TIMESTAMP},
        )
    commit.update(
        read.reference,
        {**wallet.fields(), "updatedAt": SERVER_TIMESTAMP},
        read_as_of=read.update_time,
    )
    await commit.send()


def _tell_all(
    outcomes: Gathered[_Charge, None], charges: Sequence[_Charge], covered: Sequence[_Charge], wallet: Wallet
) -> None:
    """Answer the charges that were covered, and refuse the others; the wallet is as it was left."""
    paid = set(covered)
    for charge in charges:
        if charge in paid:
            outcomes[charge].set_result(None)
        else:
            message = f"It costs {_tokens(charge.tokens)} and you have {wallet.balance}."
            outcomes[charge].set_exception(JobRefused("insufficient_tokens", message))


async def _tell_decided(
    runtime: Runtime, outcomes: Gathered[_Charge, None], charges: Sequence[_Charge], *, any_was_paid: bool
) -> None:
    """Answer those charges whose job changed since it was read, and those that were paid for before."""
    client = runtime.firestore
    paid: set[str] = set()
    if any_was_paid:
        entries = client.get_all([_entry_ref(runtime, charge) for charge in charges], **READ)
        paid = {entry.id async for entry in entries if entry.exists}
    jobs = client.get_all([client.collection(JOBS).document(charge.job_id) for charge in charges], **READ)
    update_times = {job.id: job.update_time async for job in jobs}
    for charge in charges:
        if update_times[charge.job_id] != charge.update_time:
            outcomes[charge].set_result(None)
        elif charge_id(charge.job_id) in paid:
            message = "A job with this id was already paid for; use a new id."
            outcomes[charge].set_exception(JobRefused("invalid_input", message))


async def _changed(runtime: Runtime, charge: _Charge) -> bool:
    return await was_decided(runtime, charge.job_id, charge.update_time)


def _entry_ref(runtime: Runtime, charge: _Charge) -> "AsyncDocumentReference":
    wallet_ref = runtime.firestore.collection(WALLETS).document(charge.user_id)
    ref: AsyncDocumentReference = wallet_ref.collection(LEDGER).document(charge_id(charge.job_id))
    return ref


def _tokens(number: int) -> str:
    return f"{number} token" if number == 1 else f"{number} tokens"
