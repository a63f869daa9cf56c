"""Who does what: one service account for each function, one that delivers events, one that builds."""

from typing import Final

from deploy.cloud import Cloud
from nightshift.functions import FUNCTIONS, function

ADMIT: Final = function("on_ai_job_created").account
ANSWER: Final = function("answer_instant_jobs").account
TICK: Final = function("process_batch_jobs").account
INGEST: Final = function("ingest_batch_results").account
WEBHOOK: Final = function("openai_webhook").account
NOTIFY: Final = function("deliver_notification").account
BULK: Final = function("answer_bulk_part").account
BULK_START: Final = function("on_bulk_job_created").account
STATS: Final = function("get_batch_stats").account
API: Final = function("api").account
# Eventarc calls the event functions by it. No function runs by it, so no function may call another.
EVENTS: Final = "nightshift-events"
# Cloud Build's default differs between old and new projects, and may have no rights at all.
BUILD: Final = "nightshift-build"

# Images' addresses are signed by a key of it, and open what it may read. No function runs by it.
IMAGES: Final = "nightshift-images"

ACCOUNTS: Final = {
    **{row.account: f"Nightshift: {row.name}" for row in FUNCTIONS},
    EVENTS: "Nightshift: delivers events to the functions",
    BUILD: "Nightshift: builds the functions",
    IMAGES: "Nightshift: reads uploads by signed addresses",
}


def email(cloud: Cloud, account: str) -> str:
    """The account's address."""
    return f"{account}@{cloud.project}.iam.gserviceaccount.com"


def member(cloud: Cloud, account: str) -> str:
    """The account as a policy names it."""
    return f"serviceAccount:{email(cloud, account)}"


def agent(cloud: Cloud, service: str) -> str:
    """Google's own account for a service in this project, as a policy names it."""
    return f"serviceAccount:service-{cloud.project_number}@gcp-sa-{service}.iam.gserviceaccount.com"
