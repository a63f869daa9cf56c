"""What each service account may do, on the smallest thing that Google Cloud grants it on. No function has a right more.

| account | may | because it |
|---|---|---|
| the four that advance batches | read and write Firestore | admits, claims, settles; only a project has that role |
| | read, write and replace objects of the private bucket | writes a batch's files, again after a crash |
| | read objects of the app's bucket | checks an image's first bytes; a signed address may do what its signer may |
| | sign as itself | signs images' addresses: `reassemble` may happen in each of them |
| | read `openai-api-key` | asks the provider |
| the sweep's | the same, but for the private bucket | takes jobs, and answers them |
| those of tick, worker and webhook | publish on `nightshift-ingest` | calls workers |
| the webhook's | read `openai-webhook-secret` | checks signatures |
| the statistics' | read Firestore | counts jobs |
| | read Firebase Auth's users | asks whether an admin's token was revoked |
| the events' | receive events | Eventarc delivers by it |
| the builder's | write logs and images, read sources | Cloud Build works by it |

A reader of objects must be one who may list them, too: to others, Cloud Storage says 403 of an object that does not
exist, and the functions could not tell the user so.
"""

from collections.abc import AsyncIterator
from typing import Final

from deploy.accounts import ADMIT, ANSWER, BUILD, EVENTS, INGEST, STATS, TICK, WEBHOOK, agent, email, member
from deploy.change import Change
from deploy.deployment import Deployment
from deploy.policies import Grant, Resource, differences
from nightshift.functions import API_KEY, INGEST_TOPIC, WEBHOOK_SECRET

# Whoever advances a batch may have to take any of its steps.
_ADVANCE: Final = (ADMIT, TICK, INGEST, WEBHOOK)
# Who asks the provider for answers reads and signs the images that go with a question.
_ASK: Final = (*_ADVANCE, ANSWER)
_CALL_WORKERS: Final = (TICK, INGEST, WEBHOOK)


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Grant what is missing, and take away what is too much."""
    for resource, grants in declared(deployment):
        async for change in differences(deployment.cloud, resource, grants):
            yield change


def declared(deployment: Deployment) -> list[tuple[Resource, list[Grant]]]:
    """Every grant but those on what only a deployed function brings: its service and its subscription."""
    cloud, settings = deployment.cloud, deployment.settings

    def to(role: str, *accounts: str) -> list[Grant]:
        return [Grant(role=role, member=member(cloud, account)) for account in accounts]

    return [
        (
            Resource(kind=("projects",), name=cloud.project, has_conditions=True),
            [
                *to("roles/datastore.user", *_ASK),
                *to("roles/datastore.viewer", STATS),
                *to("roles/firebaseauth.viewer", STATS),
                *to("roles/eventarc.eventReceiver", EVENTS),
                *to("roles/logging.logWriter", BUILD),
                *to("roles/artifactregistry.writer", BUILD),
                # The bucket of sources does not exist before the first function does.
                *to("roles/storage.objectViewer", BUILD),
                # Google's own agents. They have these roles once they exist, which may be only after their first use;
                # that of Pub/Sub signs the tokens by which its pushes are believed.
                _agents_grant(deployment, "eventarc"),
                _agents_grant(deployment, "pubsub"),
            ],
        ),
        (
            Resource(kind=("storage", "buckets"), name=f"gs://{settings.bucket}"),
            to("roles/storage.objectUser", *_ADVANCE),
        ),
        (
            Resource(kind=("storage", "buckets"), name=f"gs://{settings.uploads_bucket}"),
            to("roles/storage.objectViewer", *_ASK),
        ),
        (
            Resource(kind=("pubsub", "topics"), name=INGEST_TOPIC),
            to("roles/pubsub.publisher", *_CALL_WORKERS),
        ),
        *(
            (
                Resource(kind=("iam", "service-accounts"), name=email(cloud, account), has_conditions=True),
                to("roles/iam.serviceAccountTokenCreator", account),
            )
            for account in _ASK
        ),
        (
            Resource(kind=("secrets",), name=API_KEY, has_conditions=True),
            to("roles/secretmanager.secretAccessor", *_ASK),
        ),
        (
            Resource(kind=("secrets",), name=WEBHOOK_SECRET, has_conditions=True),
            to("roles/secretmanager.secretAccessor", WEBHOOK),
        ),
    ]


def _agents_grant(deployment: Deployment, service: str) -> Grant:
    cloud = deployment.cloud
    identity = ("beta", "services", "identity", "create", f"--service={service}.googleapis.com")
    return Grant(role=f"roles/{service}.serviceAgent", member=agent(cloud, service), first=(cloud.gcloud(*identity),))
