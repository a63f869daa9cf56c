"""The five functions as they are deployed.

Memory: a process holds 52 MB when it has started, 111 MB after its first event, and 160 MB with a batch of 50,000
(docs/BENCHMARKS.md). What is not used of 1 GiB is the room for several batches at once.

Concurrency: a call of `onAiJobCreated` takes some 7 ms of CPU and waits for Firestore the rest of its time, so one vCPU
is busy with some 80 of them; each holds one document. A tick or a shard is a call by itself: it streams megabytes.

The most instances bound what a flood can cost.
"""

from dataclasses import dataclass
from typing import Final, Literal

from deploy import accounts

API_KEY: Final = "openai-api-key"
WEBHOOK_SECRET: Final = "openai-webhook-secret"  # noqa: S105 - its name
# The variable in which a function finds a secret, and in which the caller of the deployment may give it.
SECRETS: Final = {API_KEY: "OPENAI_API_KEY", WEBHOOK_SECRET: "OPENAI_WEBHOOK_SECRET"}

# The longest that Cloud Functions gives an event: https://cloud.google.com/functions/docs/configuring/timeout
EVENT_SECONDS: Final = 540

Size = Literal["512Mi", "1Gi"]


@dataclass(frozen=True, kw_only=True)
class Function:
    """One target of functions/main.py. Without a document or topic it is called over HTTP, by anybody."""

    name: str
    target: str
    account: str
    timeout_seconds: int
    concurrency: int
    most_instances: int
    memory: Size = "1Gi"
    secrets: tuple[str, ...] = (API_KEY,)
    created_document: str | None = None
    topic: str | None = None

    @property
    def takes_events(self) -> bool:
        """Whether Eventarc calls it, and nobody else may."""
        return self.created_document is not None or self.topic is not None

    @property
    def service(self) -> str:
        """Its Cloud Run service, which Cloud Functions names so."""
        return self.name.lower()


# In the order of an upgrade: who finishes work before who begins it, so that nobody meets what only a newer one writes.
FUNCTIONS: Final = (
    Function(
        name="ingestBatchResults",
        target="ingest_batch_results",
        account=accounts.INGEST,
        timeout_seconds=EVENT_SECONDS,
        concurrency=1,
        most_instances=50,
        topic="nightshift-ingest",
    ),
    Function(
        name="processBatchJobs",
        target="process_batch_jobs",
        account=accounts.TICK,
        timeout_seconds=EVENT_SECONDS,
        concurrency=1,
        # A tick may outlast the next one's beginning, and be delivered twice.
        most_instances=3,
        topic="nightshift-tick",
    ),
    Function(
        name="openaiWebhook",
        target="openai_webhook",
        account=accounts.WEBHOOK,
        timeout_seconds=60,
        concurrency=20,
        most_instances=10,
        secrets=(API_KEY, WEBHOOK_SECRET),
    ),
    Function(
        name="getBatchStats",
        target="get_batch_stats",
        account=accounts.STATS,
        timeout_seconds=60,
        concurrency=20,
        most_instances=3,
        memory="512Mi",
        secrets=(),
    ),
    Function(
        name="onAiJobCreated",
        target="on_ai_job_created",
        account=accounts.ADMIT,
        timeout_seconds=EVENT_SECONDS,
        concurrency=80,
        most_instances=100,
        created_document="ai_jobs/{jobId}",
    ),
)
