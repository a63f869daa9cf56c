"""What must be true of a night, whatever crashes, comes twice, late or never: a small pure model.

It knows nothing of the code, and of the users what they did: which tokens were granted, which jobs were written. Of
what it then sees it demands what the contract promises, at every moment and not only in the end: a job's life goes
one way, an end is final, money follows the status, documents follow the end. Each of these is one commit, so there
is no moment between.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["text", "photo", "declined", "horoscope", "empty", "foreign_photo"]
Speed = Literal["batch", "instant"]

TOKENS: Final[Mapping[Speed, int]] = {"batch": 1, "instant": 5}
# By what each kind of job may fail, besides an empty wallet and the provider's own troubles.
OWN_CODES: Final[Mapping[Kind, str]] = {
    "declined": "provider_refused",
    "horoscope": "unknown_job_type",
    "empty": "invalid_input",
    "foreign_photo": "forbidden_image",
}
# These never reach the provider.
REFUSED_KINDS: Final = frozenset({"horoscope", "empty", "foreign_photo"})
PROVIDER_CODES: Final = frozenset(
    {"batch_failed", "batch_expired", "result_missing", "provider_rejected", "result_invalid"}
)
MOST_ATTEMPTS: Final = 3
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
# From here on all rows of a bulk job are in its parts.
_READ: Final = frozenset({"quoted", "running", "paused", "exporting", "completed"})
_AGE: Final = {"created": 0, "queued": 1, "processing": 1, "completed": 2, "failed": 2, "cancelled": 2}

Documents = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class JobDocument:
    """A job as its user wrote it."""

    uid: str
    kind: Kind
    speed: Speed = "batch"


@dataclass(frozen=True, kw_only=True)
class BulkDocument:
    """A bulk job as its user wrote it."""

    uid: str
    rows: int
    speed: Speed


@dataclass(frozen=True, kw_only=True)
class ProviderListing:
    """All that a project and its provider hold at one moment."""

    jobs: Documents
    notifications: Documents
    classifications: Documents
    wallets: Documents
    bulk_jobs: Documents
    parts: Mapping[str, Documents]
    ledgers: Mapping[str, Documents]
    # Of every batch that is live at the provider: the batch id stamped on it, and the jobs in it.
    live: Iterable[tuple[str, frozenset[str]]]


@dataclass
class Model:
    """What users did, and what was last seen of it."""

    granted: Counter[str] = field(default_factory=Counter)
    written: dict[str, JobDocument] = field(default_factory=dict)
    bulk_written: dict[str, BulkDocument] = field(default_factory=dict)
    _ended: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _ages: dict[str, int] = field(default_factory=dict)

    def check(self, seen: ProviderListing) -> None:
        """Demand all that must be true at any moment."""
        assert set(seen.jobs) == set(self.written), "no job is lost, none appears"
        charged: Counter[str] = Counter()
        for job_id, job in seen.jobs.items():
            written = self.written[job_id]
            self._check_life(job_id, written, job)
            self._check_end(written, job)
            self._check_documents(job_id, job, seen)
            charged[written.uid] += self._charged(job_id, written, job, seen.ledgers[written.uid])
        assert set(seen.bulk_jobs) == set(self.bulk_written), "no bulk job is lost, none appears"
        for bulk_id, bulk in seen.bulk_jobs.items():
            charged[self.bulk_written[bulk_id].uid] += self._check_bulk(bulk_id, bulk, seen)
        for uid, granted in self.granted.items():
            wallet = seen.wallets[uid]
            assert wallet["balance"] == granted - charged[uid] >= 0, f"the wallet of {uid} is right"
            assert (wallet["totalEarned"], wallet["totalSpent"]) == (granted, charged[uid])
            assert sum(entry["amount"] for entry in seen.ledgers[uid].values()) == wallet["balance"]
        self._check_live(seen)

    def check_end(self, seen: ProviderListing) -> None:
        """Demand what must be true when nothing is under way any more."""
        self.check(seen)
        unfinished = {job_id: job["status"] for job_id, job in seen.jobs.items() if _AGE[job["status"]] < 2}
        assert not unfinished, "every job has ended"
        assert not list(seen.live), "nothing is live at the provider"
        for bulk_id, bulk in seen.bulk_jobs.items():
            assert bulk["status"] in _ENDED, f"{bulk_id} has ended"
            assert not bulk.get("charges") or not bulk["counts"]["open"], f"each item of {bulk_id} has ended"

    def _check_bulk(self, bulk_id: str, bulk: Mapping[str, Any], seen: ProviderListing) -> int:
        """What the bulk job has cost its user by now: at each moment the price of what is completed and open."""
        written, parts = self.bulk_written[bulk_id], seen.parts[bulk_id].values()
        entries = [entry for entry in seen.ledgers[written.uid].values() if entry.get("bulkId") == bulk_id]
        paid = -sum(int(entry["amount"]) for entry in entries)
        worth = sum(part["counts"]["completed"] + part["counts"]["open"] for part in parts)
        if bulk.get("charges"):
            assert paid == worth * TOKENS[written.speed], f"{bulk_id} costs what is completed and open"
        else:
            assert not entries, f"{bulk_id} is not charged yet"
        if bulk["status"] in _ENDED:
            assert f"bulk.{bulk_id}" in seen.notifications, f"the end of {bulk_id} has its message"
        if bulk["status"] in _READ:
            assert sum(part["counts"]["total"] for part in parts) == written.rows, f"no row of {bulk_id} is lost"
        for part in parts:
            states = Counter(_states(part["states"], part["rows"]))
            counted = {name: part["counts"][name] for name in ("open", "completed", "failed", "cancelled")}
            assert counted == {name: states[number] for number, name in enumerate(counted)}, "each item is counted"
        return paid

    def _check_life(self, job_id: str, written: JobDocument, job: Mapping[str, Any]) -> None:
        age = _AGE[job["status"]]
        assert age >= self._ages.get(job_id, 0), f"{job_id} goes one way"
        if written.speed == "batch":
            assert job.get("attempts", 0) <= MOST_ATTEMPTS, f"{job_id} is not submitted more often than allowed"
        else:
            assert job["status"] != "queued", f"{job_id} waits for no batch"
            assert ("nextAttemptAt" in job) == (job["status"] == "processing"), f"{job_id} is due, or has ended"
        self._ages[job_id] = age
        if age == 2:
            assert self._ended.setdefault(job_id, job) == job, f"the end of {job_id} is final"

    @staticmethod
    def _check_end(written: JobDocument, job: Mapping[str, Any]) -> None:
        status = job["status"]
        assert (status == "completed") == ("result" in job)
        if written.kind in REFUSED_KINDS:
            assert status in {"created", "failed"}, f"a job of the kind {written.kind} is never accepted"
        if written.kind in OWN_CODES:
            assert status != "completed", f"a job of the kind {written.kind} has no answer"
        if status == "failed":
            possible = {OWN_CODES.get(written.kind), "insufficient_tokens"}
            if written.kind not in REFUSED_KINDS:
                possible |= PROVIDER_CODES
            assert job["errorCode"] in possible, f"{job['errorCode']} is no reason for a job of the kind {written.kind}"

    @staticmethod
    def _check_documents(job_id: str, job: Mapping[str, Any], seen: ProviderListing) -> None:
        status = job["status"]
        assert (job_id in seen.notifications) == (_AGE[status] == 2), f"{job_id} has a notification if it has ended"
        assert (job_id in seen.classifications) == (status == "completed")
        if status == "completed":
            assert seen.classifications[job_id]["result"] == job["result"]
            assert seen.notifications[job_id]["type"] == "job_completed"

    @staticmethod
    def _charged(job_id: str, written: JobDocument, job: Mapping[str, Any], ledger: Documents) -> int:
        """What the job has cost its user by now, which must follow from its status."""
        charge, refund = ledger.get(f"{job_id}.charge"), ledger.get(f"{job_id}.refund")
        match job["status"]:
            case "created":
                assert charge is None and refund is None, f"{job_id} is charged when it is queued"
            case "failed":
                assert (charge is None) == (refund is None), f"{job_id} has failed and costs nothing"
            case _:
                assert charge is not None and refund is None, f"{job_id} is paid, once"
        if charge is None:
            return 0
        tokens = TOKENS[written.speed]
        assert charge["amount"] == -tokens
        assert refund is None or refund["amount"] == tokens
        return tokens if refund is None else 0

    @staticmethod
    def _check_live(seen: ProviderListing) -> None:
        """A job is in one live batch at most; a batch made twice, by a lost answer, is the tick's to cancel."""
        batch_of: dict[str, str] = {}
        for batch_id, job_ids in seen.live:
            for job_id in job_ids:
                assert batch_of.setdefault(job_id, batch_id) == batch_id, f"{job_id} is in two live batches"


def _states(packed: bytes, rows: int) -> list[int]:
    """What a part's document says of each of its rows: two bits, the first in the lowest ones."""
    return [packed[row // 4] >> row % 4 * 2 & 3 for row in range(rows)]
