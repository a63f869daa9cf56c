"""The APIs of Google Cloud that Nightshift, or its deployment, calls."""

from collections.abc import AsyncIterator
from typing import Final

from deploy.change import Change, same
from deploy.deployment import Deployment

APIS: Final = {
    "artifactregistry": "keeps the functions' images",
    "billingbudgets": "the budget alert",
    "cloudbuild": "builds them",
    "cloudfunctions": "deploys them",
    "cloudresourcemanager": "the project's grants",
    "cloudscheduler": "the tick",
    "eventarc": "brings events to the functions",
    "fcm": "pushes",
    "firebase": "the app's side of the project",
    "firebaseappcheck": "which requests are the app's own",
    "firebasehosting": "serves the dashboard",
    "firebaserules": "the rules",
    "firebasestorage": "tells the app's bucket to the rules",
    "firestore": "the database",
    "iam": "the service accounts",
    "iamcredentials": "signs the addresses of images",
    "identitytoolkit": "the app's users, and whether one was disabled",
    "logging": "logs, and metrics of them",
    "monitoring": "alerts",
    "pubsub": "ticks, calls for workers, dead letters",
    "run": "runs the functions",
    "secretmanager": "the keys",
    "storage": "the buckets",
}


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Enable what is not enabled."""
    cloud = deployment.cloud
    enabled = {service["config"]["name"] for service in await cloud.look("services", "list", "--enabled") or []}
    missing = [f"{api}.googleapis.com" for api in APIS if f"{api}.googleapis.com" not in enabled]
    if missing:
        yield Change(action="create", what=", ".join(missing), commands=(cloud.gcloud("services", "enable", *missing),))
    else:
        yield same(f"{len(APIS)} APIs")
