"""Where everything lies in Firestore, and how a job is read from its document."""

from typing import Any, Final

from google.cloud.firestore import DocumentSnapshot, FieldFilter

from nightshift.model.batch import count_of
from nightshift.model.job import Job
from nightshift.runtime import Runtime

JOBS: Final = "ai_jobs"
BATCHES: Final = "ai_batches"
SHARDS: Final = "shards"
LANES: Final = "lanes"
WALLETS: Final = "wallets"
LEDGER: Final = "ledger"
CLASSIFICATIONS: Final = "classifications"
NOTIFICATIONS: Final = "notifications"
WEBHOOKS: Final = "webhooks"


def jobs_where(runtime: Runtime, **fields: str) -> Any:
    """The query for jobs whose fields have these values, at least one."""
    query: Any = runtime.firestore.collection(JOBS)
    for name, wanted in fields.items():
        query = query.where(filter=FieldFilter(name, "==", wanted))
    return query


def job_of(snapshot: "DocumentSnapshot[Any]") -> Job:
    """The admitted job of a document. Whatever somebody made of it since, it can be read, and then refused."""
    fields: dict[str, Any] = snapshot.to_dict() or {}
    job_input = fields.get("input")
    return Job(
        job_id=snapshot.id,
        user_id=str(fields.get("userId", "")),
        type=str(fields.get("type", "")),
        input=job_input if isinstance(job_input, dict) else {},
        status=str(fields.get("status", "")),
        lane=fields.get("lane"),
        batch_id=fields.get("batchId"),
        attempts=count_of(fields.get("attempts")),
        update_time=snapshot.update_time,
    )
