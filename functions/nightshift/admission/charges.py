"""Charging: `created` → `queued`, or `processing` in real time; the charges of one wallet together.

A user who writes ten thousand photos at once makes one wallet hot, and every charge moves its update time. So an
instance charges a wallet by group commit: one reading of the wallet, and one commit with all the jobs that have
gathered, their ledger entries, and the wallet once. All of it lands or nothing, so a crash leaves each job either
`created`, or `queued` and paid. The commits of several wallets share a call (`database/joined_commits.py`).

The jobs of a group are taken in the order in which they came. Each is taken that the user's limits still allow and the
balance still covers. A refusal stands only when the wallet it rests on was current: no job was admitted and nothing had
to be written, or the commit landed.

The limits cost no write, since what they rest on is kept in the wallet. They cost no read, unless the bound that is
kept there reaches the limit of jobs in flight: then the database counts, once for the group, after the wallet was read.
A job gets into flight by a commit that writes its user's wallet, and in no other way. So either the count has seen it,
or it has moved the wallet's update time. Then the commit that rests on the count is refused: instances that meet never
admit more than the limit together. A count that is repeated for the same wallet can only be lower. So what is sent
again holds at least the jobs that were sent before.

After a commit that was refused, or whose answer was lost:

- The wallet moved, and the first job did not: another instance wrote the wallet. This commit did not land, and under
  the wallet's update time that it carries it never will.
- The wallet did not move, and nothing was refused: it has not landed. It is sent again, and at most one of the two
  lands.
- Otherwise the group's jobs are read again. Those that changed were decided, by a commit whose answer was lost or by
  another process; the rest goes on without them.
- A ledger entry was there already: the entries are read, and then the jobs. A job that is still undecided and whose
  entry exists was paid for earlier under the same id, and it alone is refused. In this order, a commit of ours that
  lands in between is seen with its job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP, FieldFilter

from nightshift.database import reads
from nightshift.database.collections import JOBS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.grouped_calls import Group, GroupedCalls
from nightshift.errors import JobRefused, NeverLands
from nightshift.jobs import transitions
from nightshift.jobs.created import JobDocument, was_decided
from nightshift.jobs.documents import jobs_where
from nightshift.ledger import entries
from nightshift.ledger.entries import charge_id
from nightshift.ledger.limits import Admissions, UserLimits
from nightshift.ledger.posting import entry_ref, post, wallet_ref
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import PROCESSING, QUEUED, Status
from nightshift.values.texts import Text

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

# Two small documents each: some 30 kB of the 4 MiB that one commit may hold.
_MOST_CHARGES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a paid job starts: it is queued for the batch lane, unless it is answered in real time."""

    # The deadline of a job of the batch lane.
    batch_until: datetime | None = None
    # When any instance may take the job. It differs from delivery to delivery, so the job shows whose commit
    # landed.
    next_attempt_at: datetime | None = None
    # Whether the instance that admits the job has it until then.
    is_taken: bool = False
    # Of the upload that was checked, and that alone the provider gets.
    image_generation: int | None = None

    @property
    def status(self) -> Status:
        """What the job is then."""
        return QUEUED if self.next_attempt_at is None else PROCESSING

    def fields(self) -> dict[str, Any]:
        """The fields of the job that say so."""
        image = {"imageGeneration": self.image_generation} if self.image_generation else {}
        if self.next_attempt_at is None:
            until = {"batchUntil": self.batch_until} if self.batch_until else {}
            return {"status": self.status, "attempts": 0, **until, **image}
        return {
            **image,
            "status": self.status,
            "attempts": 1 if self.is_taken else 0,
            "waitsFor": DELETE_FIELD if self.is_taken else "rescue",
            "nextAttemptAt": self.next_attempt_at,
            "submittedAt": SERVER_TIMESTAMP,
            # What decides who answers it is never a client's.
            "batchId": DELETE_FIELD,
        }


@dataclass(frozen=True, kw_only=True)
class _Charge:
    """A job to be paid and queued, as it was read at `update_time`."""

    job_id: str
    user_id: str
    update_time: datetime
    lane: Lane
    tokens: int
    priority: int
    start: Start = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class _Landed:
    """The commit by which a charge took effect, as far as that is known to be ours."""

    charge: _Charge
    update_time: datetime


@dataclass(frozen=True, kw_only=True)
class _ChargedWallet:
    """A user's wallet and admissions, as they were read or as charges leave them."""

    read: "DocumentSnapshot[Any]"
    wallet: Wallet
    admissions: Admissions


async def charge_and_start(
    runtime: Runtime, job: JobDocument, *, lane: Lane, tokens: int, priority: int, start: Start
) -> datetime | None:
    """Charge the user and start the job, in one commit; nothing happens if the job was decided meanwhile.

    Returns:
        The job's update time if this call, and no other, admitted it to be answered in real time; else None.

    Raises:
        JobRefused: insufficient_tokens, daily_limit, too_many_jobs or too_many_failures; or invalid_input for an id
            under which a job was paid before.
    """
    charge = _Charge(
        job_id=job.job_id,
        user_id=job.user_id,
        update_time=job.update_time,
        lane=lane,
        tokens=tokens,
        priority=priority,
        start=start,
    )
    landed = await runtime.instance.charges.ask(charge, at=job.user_id)
    # Of two deliveries that asked at once, one alone has taken the job.
    return landed.update_time if landed and landed.charge is charge else None


async def check_account(runtime: Runtime, job: JobDocument, tokens: int) -> None:
    """Refuse a job early that its user cannot pay for, or that is one too many today. Reads the wallet.

    It is asked before work is done for a job; the commit that charges decides again.

    Raises:
        JobRefused: as above, but for too_many_jobs.
    """
    fields = (await reads.read(runtime, wallet_ref(runtime, job.user_id).path)).to_dict()
    wallet = Wallet.read(fields)
    if not wallet.covers(tokens):
        raise _unaffordable(tokens, wallet)
    # What is in flight is known only by a count.
    if refusal := Admissions.read(fields, runtime.today).counted(0).refusal(_limits(runtime)):
        raise refusal


def _limits(runtime: Runtime) -> UserLimits:
    settings = runtime.settings
    return UserLimits(
        per_day=settings.max_jobs_per_day,
        in_flight=settings.max_jobs_in_flight,
        failed_usd=settings.max_failed_usd_per_day,
    )


def _unaffordable(tokens: int, wallet: Wallet) -> JobRefused:
    return JobRefused("insufficient_tokens", Text.TOKENS_MISSING.say(price=tokens, balance=wallet.balance))


Charges = GroupedCalls[_Charge, _Landed | None]


def new_charges(runtime: Runtime) -> Charges:
    """The charges of an instance."""
    return GroupedCalls(partial(_charge_group, runtime), most=_MOST_CHARGES)


async def _charge_group(runtime: Runtime, outcomes: Group[_Charge, _Landed | None]) -> None:
    """Decide each charge of one wallet."""
    undecided = list(outcomes)
    limits = _limits(runtime)
    account = await _read_account(runtime, undecided, limits)
    async for attempt in attempts():
        admitted, refusals, after = _decide(account, undecided, limits)
        update_time = None
        try:
            if admitted:
                commit = _commit_of(runtime, after, admitted)
                # One that met another writer goes by itself.
                update_time = await (commit.send() if attempt else commit.send_joined())
        except NeverLands:
            await _charge_apart(runtime, outcomes, undecided)
            return
        except Undecided as doubt:
            before, account = account, await _read_account(runtime, undecided, limits)
            wallet_moved = account.read.update_time != before.read.update_time
            if doubt.already_exists or (await _changed(runtime, admitted[0]) if wallet_moved else doubt.is_refusal):
                await _tell_decided(runtime, outcomes, admitted, any_was_paid=doubt.already_exists)
                undecided = [charge for charge in undecided if not outcomes[charge].done()]
            if not undecided:
                return
        else:
            _tell_all(outcomes, admitted, update_time, refusals)
            return


async def _charge_apart(runtime: Runtime, outcomes: Group[_Charge, _Landed | None], charges: Sequence[_Charge]) -> None:
    """Decide charges whose common commit can never land in two halves, until the one that is the cause is alone."""
    if len(charges) == 1:
        refusal = JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), "the job's document cannot be changed")
        outcomes[charges[0]].set_exception(refusal)
        return
    middle = len(charges) // 2
    for half in (charges[:middle], charges[middle:]):
        await _charge_group(runtime, {charge: outcomes[charge] for charge in half})


async def _read_account(runtime: Runtime, charges: Sequence[_Charge], limits: UserLimits) -> _ChargedWallet:
    """Read the wallet of these charges, and then, if its bound is too high to say, count the jobs in flight."""
    user_id = charges[0].user_id
    read = await reads.read(runtime, wallet_ref(runtime, user_id).path)
    fields = read.to_dict()
    wallet, admissions = Wallet.read(fields), Admissions.read(fields, runtime.today)
    # No count is needed for a user who can pay for no job, or has had the day's jobs.
    is_open = any(wallet.covers(charge.tokens) for charge in charges) and not admissions.is_day_over(limits)
    if is_open and admissions.needs_count(limits, len(charges)):
        # By one query: a retry meanwhile moves a job from the one status to the other.
        in_flight = jobs_where(runtime, userId=user_id).where(filter=FieldFilter("status", "in", [QUEUED, PROCESSING]))
        admissions = admissions.counted(int((await in_flight.count().get(**READ))[0][0].value))
    return _ChargedWallet(read=read, wallet=wallet, admissions=admissions)


def _decide(
    account: _ChargedWallet, charges: Sequence[_Charge], limits: UserLimits
) -> tuple[list[_Charge], dict[_Charge, JobRefused], _ChargedWallet]:
    """The charges that are admitted, in their order, why the others are not, and the account after them."""
    wallet, admissions = account.wallet, account.admissions
    admitted: list[_Charge] = []
    refusals: dict[_Charge, JobRefused] = {}
    unpaid: list[_Charge] = []
    for charge in charges:
        if not wallet.covers(charge.tokens):
            unpaid.append(charge)
        elif refusal := admissions.refusal(limits):
            refusals[charge] = refusal
        else:
            wallet = wallet.with_entry(entries.charge(charge.job_id, charge.tokens))
            admissions = admissions.with_one_more()
            admitted.append(charge)
    for charge in unpaid:
        refusals[charge] = _unaffordable(charge.tokens, wallet)
    return admitted, refusals, _ChargedWallet(read=account.read, wallet=wallet, admissions=admissions)


def _commit_of(runtime: Runtime, after: _ChargedWallet, charges: Sequence[_Charge]) -> Commit:
    """What admits the jobs, and writes what they leave of the account."""
    commit = Commit(runtime)
    for charge in charges:
        transitions.admit(
            runtime,
            commit,
            charge.job_id,
            charge.update_time,
            lane=charge.lane,
            priority=charge.priority,
            tokens=charge.tokens,
            start=charge.start.fields(),
        )
    post(commit, after.read, [entries.charge(charge.job_id, charge.tokens) for charge in charges], after.admissions)
    return commit


def _tell_all(
    outcomes: Group[_Charge, _Landed | None],
    admitted: Sequence[_Charge],
    update_time: datetime | None,
    refusals: Mapping[_Charge, JobRefused],
) -> None:
    """Answer the charges that were admitted, and refuse the others."""
    for charge in admitted:
        outcomes[charge].set_result(_Landed(charge=charge, update_time=update_time) if update_time else None)
    for charge, refusal in refusals.items():
        outcomes[charge].set_exception(refusal)


async def _tell_decided(
    runtime: Runtime, outcomes: Group[_Charge, _Landed | None], charges: Sequence[_Charge], *, any_was_paid: bool
) -> None:
    """Answer those charges whose job changed since it was read, and those that were paid for before."""
    client = runtime.firestore
    paid: set[str] = set()
    if any_was_paid:
        paid_by = client.get_all([_entry_ref(runtime, charge) for charge in charges], **READ)
        paid = {entry.id async for entry in paid_by if entry.exists}
    refs = [client.collection(JOBS).document(charge.job_id) for charge in charges]
    jobs = client.get_all(refs, field_paths=["nextAttemptAt"], **READ)
    stored = {job.id: job async for job in jobs}
    for charge in charges:
        job, mine = stored[charge.job_id], charge.start.next_attempt_at
        if job.update_time != charge.update_time:
            is_mine = mine is not None and (job.to_dict() or {}).get("nextAttemptAt") == mine
            outcomes[charge].set_result(_Landed(charge=charge, update_time=job.update_time) if is_mine else None)
        elif charge_id(charge.job_id) in paid:
            reason = "a job with this id was already paid for"
            outcomes[charge].set_exception(JobRefused("invalid_input", Text.SENT_BEFORE.say(), reason))


async def _changed(runtime: Runtime, charge: _Charge) -> bool:
    return await was_decided(runtime, charge.job_id, charge.update_time)


def _entry_ref(runtime: Runtime, charge: _Charge) -> "AsyncDocumentReference":
    return entry_ref(runtime, charge.user_id, charge_id(charge.job_id))
