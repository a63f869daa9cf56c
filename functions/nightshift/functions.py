"""Every function, once: `main.py` serves it, `settings` knows what it needs, and all else is made from here.

Read by the local stack, the deployment, the schedules and their clock, the benches and the tests. A new function is one
target in `main.py` and one row here; a test holds the two together. This module imports nothing of Nightshift, since
every cold start reads it.

Memory: a process holds 52 MB when it has started, 111 MB after its first event; with a batch of 50,000 it holds 160 MB
(docs/BENCHMARKS.md). What is not used of 1 GiB is the room for several batches at once.

Concurrency: a call of `onAiJobCreated` takes some 7 ms of CPU and waits for Firestore the rest of its time; so one vCPU
is busy with some 80 of them; each holds one document. A tick or a shard is a call by itself: it streams megabytes.

The most instances bound what a flood can cost. Each has one vCPU. All together they fit into what a new project has in
a region, 20 vCPU and 40 GiB (https://cloud.google.com/run/quotas). So Cloud Run takes them at the first deployment, and
a flood at one function leaves the others their own. A project with a larger quota raises DEPLOY_MAX_INSTANCES
(docs/DEPLOY.md).
"""

from dataclasses import dataclass
from typing import Final, Literal

# The providers of answers. One that has no key is not used.
PROVIDERS: Final = ("openai", "anthropic", "gemini", "groq", "xai")
WEBHOOK_SECRET: Final = "openai-webhook-secret"  # noqa: S105 - its name
# By which our own sender signs in at the mail server. A server may ask for none.
MAIL_SECRET: Final = "smtp-password"  # noqa: S105 - its name


def key_secret(provider: str) -> str:
    """Secret Manager's name of a provider's key."""
    return f"{provider}-api-key"


def key_variable(provider: str) -> str:
    """The variable in which a function finds a provider's key."""
    return f"{provider.upper()}_API_KEY"


# The same for all providers. A function that asks them is given each key that there is.
KEYS: Final = {key_secret(provider): key_variable(provider) for provider in PROVIDERS}
# Secret Manager's name of a secret that a person brings → the variable in which a function finds it.
SECRETS: Final = {**KEYS, WEBHOOK_SECRET: "OPENAI_WEBHOOK_SECRET", MAIL_SECRET: "SMTP_PASSWORD"}
# The key that signs images' addresses. The deployment makes it; without it, a function signs them through IAM.
IMAGE_KEY: Final = "image-signing-key"
IMAGE_KEY_VARIABLE: Final = "IMAGE_SIGNING_KEY"

# Calls for workers.
INGEST_TOPIC: Final = "nightshift-ingest"
BULK_TOPIC: Final = "nightshift-bulk"
# Events that no delivery could deal with. A pull subscription keeps them, to be looked at.
DEAD_LETTERS: Final = "nightshift-dead-letters"

# Every schedule is read in this time zone.
TIME_ZONE: Final = "Asia/Kolkata"

# The longest that Cloud Functions gives an event: https://cloud.google.com/functions/docs/configuring/timeout
EVENT_SECONDS: Final = 540

Memory = Literal["512Mi", "1Gi"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """One target of `main.py`. Without a document or topic it is called over HTTP, and checks its callers itself."""

    # Its name in `main.py`, and as it is deployed.
    target: str
    name: str
    # What it does, in one line.
    does: str
    # The service account by which it runs: `ACCOUNT@PROJECT.iam.gserviceaccount.com`.
    account: str
    # A path pattern; the creation of such a document is its event.
    created_document: str | None = None
    # Each message on this topic is its event.
    topic: str | None = None
    # Unix-cron; Cloud Scheduler then publishes on its topic: https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
    schedule: str | None = None
    # After so many deliveries that fail, an event goes to DEAD_LETTERS; 0 = it comes again for a day, and is lost.
    most_deliveries: int = 0
    # Names of SECRETS. It does not start without them.
    secrets: tuple[str, ...] = ()
    # Whether it asks the providers. It does not start without the key of the provider of NIGHTSHIFT_MODEL.
    asks_providers: bool = False
    # Whether it sends e-mail and pushes. It is given MAIL_SECRET, if there is one.
    sends_messages: bool = False
    # Whether it verifies Firebase ID tokens. Only then the local stack tells it of the Auth emulator.
    reads_id_tokens: bool = False
    timeout_seconds: int
    # Calls that one instance answers at the same time.
    concurrency: int
    max_instances: int
    memory: Memory = "1Gi"

    @property
    def takes_events(self) -> bool:
        """Whether Eventarc calls it, and no other caller may."""
        return self.created_document is not None or self.topic is not None

    @property
    def has_dead_letters(self) -> bool:
        """Whether an event that it fails to take goes to DEAD_LETTERS."""
        return self.most_deliveries > 0

    @property
    def service(self) -> str:
        """Its Cloud Run service, which Cloud Functions names so."""
        return self.name.lower()

    @property
    def signs_images(self) -> bool:
        """Whether it is given IMAGE_KEY, if there is one: the provider that it asks fetches the images."""
        return self.asks_providers

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables in which it finds its secrets: those that it needs, and of `optional_secrets` what there is."""
        return tuple(SECRETS[secret] for secret in (*self.optional_secrets, *self.secrets))

    @property
    def optional_secrets(self) -> tuple[str, ...]:
        """Names of SECRETS that it is given where there are values."""
        keys = tuple(KEYS) if self.asks_providers else ()
        return (*keys, MAIL_SECRET) if self.sends_messages else keys


# In the order of an upgrade: a function that finishes work stands before those that begin it. So no older version reads
# what only a newer one writes.
FUNCTIONS: Final = (
    Function(
        target="ingest_batch_results",
        name="ingestBatchResults",
        does="Ingests one shard of one batch's output, or advances a batch that has ended.",
        account="nightshift-ingest",
        topic=INGEST_TOPIC,
        # A call that meets no free instance is answered 429, which Pub/Sub counts as a delivery. A large batch has more
        # shards than there are instances, so most of its calls wait like that. Twenty deliveries take two and a half
        # hours: longer than all shards of a batch, and far longer than a dead worker's lease.
        most_deliveries=20,
        asks_providers=True,
        timeout_seconds=EVENT_SECONDS,
        concurrency=1,
        max_instances=4,
    ),
    Function(
        target="answer_bulk_part",
        name="answerBulkPart",
        does="Moves a bulk job on, or answers one of its parts in real time.",
        account="nightshift-bulk",
        topic=BULK_TOPIC,
        # A part is answered for hours, and each time that a worker hands it on is a delivery by itself.
        most_deliveries=20,
        asks_providers=True,
        timeout_seconds=EVENT_SECONDS,
        concurrency=1,
        max_instances=2,
    ),
    Function(
        target="answer_instant_jobs",
        name="answerInstantJobs",
        does="One sweep: answers in real time what waited, what a dead instance left, and what is near its deadline.",
        account="nightshift-answer",
        topic="nightshift-instant",
        schedule="* * * * *",
        asks_providers=True,
        # A sweep takes jobs for 50 s, and answers each within its lease.
        timeout_seconds=300,
        concurrency=1,
        max_instances=2,
    ),
    Function(
        target="process_batch_jobs",
        name="processBatchJobs",
        does="One tick: rescues, submits, polls, ingests, retries, refunds.",
        account="nightshift-tick",
        topic="nightshift-tick",
        schedule="*/10 * * * *",
        asks_providers=True,
        # What no delivery has sent.
        sends_messages=True,
        timeout_seconds=EVENT_SECONDS,
        concurrency=1,
        # A tick may outlast the next one's beginning, and be delivered twice.
        max_instances=2,
    ),
    Function(
        target="openai_webhook",
        name="openaiWebhook",
        does="Verifies OpenAI's signature, and calls a worker for the batch that has ended.",
        account="nightshift-webhook",
        secrets=(WEBHOOK_SECRET,),
        timeout_seconds=60,
        concurrency=20,
        max_instances=1,
    ),
    Function(
        target="deliver_notification",
        name="deliverNotification",
        does="Tells a user of an end, by e-mail and push.",
        account="nightshift-notify",
        created_document="outbox/{messageId}",
        sends_messages=True,
        # A tick delivers what is left anyway.
        most_deliveries=5,
        timeout_seconds=120,
        concurrency=20,
        max_instances=1,
        memory="512Mi",
    ),
    Function(
        target="get_batch_stats",
        name="getBatchStats",
        does="Counts the jobs by their status, for admins.",
        account="nightshift-stats",
        reads_id_tokens=True,
        timeout_seconds=60,
        concurrency=20,
        max_instances=1,
        memory="512Mi",
    ),
    Function(
        target="api",
        name="api",
        does="The REST API of users and admins.",
        account="nightshift-api",
        reads_id_tokens=True,
        timeout_seconds=60,
        concurrency=40,
        max_instances=2,
    ),
    Function(
        target="on_bulk_job_created",
        name="onBulkJobCreated",
        does="Reads the source of a bulk job, quotes it, and starts it.",
        account="nightshift-bulk-start",
        created_document="bulk_jobs/{bulkId}",
        most_deliveries=20,
        asks_providers=True,
        timeout_seconds=EVENT_SECONDS,
        # Each reads a source: some megabytes of memory, and Python is busy with it.
        concurrency=4,
        max_instances=1,
    ),
    Function(
        target="on_ai_job_created",
        name="onAiJobCreated",
        does="Admits a job, and answers it or submits its lane.",
        account="nightshift-admit",
        created_document="ai_jobs/{jobId}",
        # As above; by then a short outage is over, and a tick has rescued the job anyway.
        most_deliveries=20,
        asks_providers=True,
        timeout_seconds=EVENT_SECONDS,
        concurrency=80,
        max_instances=4,
    ),
)


def function(target: str) -> Function:
    """The row of a target. Raises KeyError."""
    return _BY_TARGET[target]


def needed_by(target: str | None, provider: str) -> tuple[str, ...]:
    """The variables of secrets without which a target must not start; none for what is no target, as a command.

    Args:
        provider: of NIGHTSHIFT_MODEL.
    """
    found = _BY_TARGET.get(target or "")
    if found is None:
        return ()
    keys = (key_variable(provider),) if found.asks_providers else ()
    return keys + tuple(SECRETS[secret] for secret in found.secrets)


_BY_TARGET: Final = {function.target: function for function in FUNCTIONS}
