"""What each service account may do, on the smallest thing that Google Cloud grants it on. No function has a right more.

| account | may | because it |
|---|---|---|
| the five that advance batches | read and write Firestore | admits, claims, settles; only a project has that role |
| | read, write and replace objects of the private bucket | writes a batch's files, again after a crash |
| | read objects of the app's bucket | checks an image's first bytes; a signed address may do what its signer may |
| | sign as itself | signs images' addresses where there is no key: `reassemble` may happen in each of them |
| | read `image-signing-key` | signs images' addresses |
| | read `openai-api-key` | asks the provider |
| the sweep's | the same, but for the private bucket | takes jobs, and answers them |
| those of tick, worker and webhook | publish on `nightshift-ingest` | calls workers |
| those of tick, sweep, worker and bulk jobs | publish on `nightshift-bulk` | calls workers of bulk jobs |
| the webhook's | read `openai-webhook-secret`, and nothing else | checks signatures |
| the reader of images | read users' uploads, and list nothing | its key signs images' addresses |
| the API's | read and write Firestore | shows and changes what belongs to its callers |
| | publish on `nightshift-ingest` and `nightshift-bulk` | calls a worker for what needs a provider |
| | create objects in the app's bucket, below `users/` | its links let a client upload a file, and replace none |
| | read objects of the private bucket, below `bulk/` | its links let a client download results |
| | sign as itself | signs those links |
| | read Firebase Auth's users, by the statistics' role | asks whether an admin's token was revoked |
| the statistics' | read documents (a role of our own: `roles.py`) | counts jobs; no role counts without reading |
| | read Firebase Auth's users, by the same | asks whether an admin's token was revoked |
| the messenger's, the tick's | read Firebase Auth's users, by the same, with NIGHTSHIFT_MAIL | finds an address |
| | send messages of Firebase Cloud Messaging; with NIGHTSHIFT_PUSH | pushes |
| | read `smtp-password` | signs in at the mail server |
| the messenger's | read and write Firestore | takes messages, and records what came of them |
| the events' | receive events | Eventarc delivers by it |
| the builder's | write logs and images, read its sources' bucket | Cloud Build works by it |

A reader of objects must be one who may list them, too: to others, Cloud Storage says 403 of an object that does not
exist, and the functions could not tell the user so.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from deploy.accounts import (
    ADMIT,
    ANSWER,
    API,
    BUILD,
    BULK,
    BULK_START,
    EVENTS,
    IMAGES,
    INGEST,
    NOTIFY,
    STATS,
    TICK,
    WEBHOOK,
    agent,
    email,
    member,
)
from deploy.change import Change
from deploy.deployment import Deployment
from deploy.policies import Resource, RoleGrant, differences
from deploy.steps.roles import STATS_ROLE
from nightshift.functions import BULK_TOPIC, IMAGE_KEY, INGEST_TOPIC, KEYS, MAIL_SECRET, WEBHOOK_SECRET

# A function that advances a batch may have to take any of its steps.
_ADVANCE: Final = (ADMIT, TICK, INGEST, BULK, BULK_START)
# A function that asks the provider for answers reads and signs the images that go with a question.
_ASK: Final = (*_ADVANCE, ANSWER)
# A tick sends what no delivery has sent.
_TELL: Final = (NOTIFY, TICK)
_CALL_WORKERS: Final = (TICK, INGEST, WEBHOOK, API)
# Whatever closes a part, or stops at its time limit, calls for the next step of its bulk job.
_CALL_BULK_WORKERS: Final = (TICK, INGEST, ANSWER, BULK, BULK_START, API)


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Grant what is missing, and take away what is too much."""
    for resource, grants in await declared(deployment):
        async for change in differences(deployment.cloud, resource, grants):
            yield change


async def declared(deployment: Deployment) -> list[tuple[Resource, list[RoleGrant]]]:
    """Every grant but those on what only a deployed function brings: its service and its subscription."""
    cloud, settings = deployment.cloud, deployment.settings
    accounts_there, secrets_there = await deployment.accounts(), await deployment.secret_names()
    buckets_there = await deployment.buckets()
    keys = [key for key in KEYS if cloud.blind_because or (await deployment.version(key))[0]]

    def to(role: str, *accounts: str, where: str | None = None) -> list[RoleGrant]:
        return [RoleGrant(role=role, member=member(cloud, account), where=where) for account in accounts]

    def bucket(name: str) -> Resource:
        return Resource(
            kind=("storage", "buckets"), name=f"gs://{name}", has_conditions=True, exists=name in buckets_there
        )

    def secret(name: str) -> Resource:
        return Resource(kind=("secrets",), name=name, has_conditions=True, exists=name in secrets_there)

    def account(name: str) -> Resource:
        address = email(cloud, name)
        return Resource(
            kind=("iam", "service-accounts"), name=address, has_conditions=True, exists=address in accounts_there
        )

    tells = _TELL if settings.mail != "off" else ()
    return [
        (
            Resource(kind=("projects",), name=cloud.project, has_conditions=True),
            [
                *to("roles/datastore.user", *_ASK, API, NOTIFY),
                *to(f"projects/{cloud.project}/roles/{STATS_ROLE}", STATS, API, *tells),
                *to("roles/firebasecloudmessaging.admin", *(_TELL if settings.push else ())),
                *to("roles/eventarc.eventReceiver", EVENTS),
                *to("roles/logging.logWriter", BUILD),
                *to("roles/artifactregistry.writer", BUILD),
                # The bucket of sources does not exist before the first function does. So the role is the project's, and
                # a condition keeps the builder out of every other bucket, among them the one with users' photos.
                *to("roles/storage.objectViewer", BUILD, where=_sources(deployment)),
                # Google's own agents. They have these roles once they exist, which may be only after their first use;
                # that of Pub/Sub signs the tokens by which its pushes are believed.
                _agents_grant(deployment, "eventarc"),
                _agents_grant(deployment, "pubsub"),
            ],
        ),
        (
            bucket(settings.bucket),
            [
                *to("roles/storage.objectUser", *_ADVANCE),
                *to("roles/storage.objectViewer", API, where=_below(settings.bucket, "bulk/")),
            ],
        ),
        (
            bucket(settings.uploads_bucket),
            [
                *to("roles/storage.objectViewer", *_ASK),
                _reader(deployment, buckets_there.get(settings.uploads_bucket, {})),
                _creator(deployment, buckets_there.get(settings.uploads_bucket, {})),
            ],
        ),
        (
            Resource(kind=("pubsub", "topics"), name=INGEST_TOPIC),
            to("roles/pubsub.publisher", *_CALL_WORKERS),
        ),
        (
            Resource(kind=("pubsub", "topics"), name=BULK_TOPIC),
            to("roles/pubsub.publisher", *_CALL_BULK_WORKERS),
        ),
        *(
            (
                account(signer),
                to("roles/iam.serviceAccountTokenCreator", signer),
            )
            for signer in (*_ASK, API)
        ),
        *(
            (
                secret(key),
                to("roles/secretmanager.secretAccessor", *_ASK),
            )
            for key in keys
        ),
        (
            secret(IMAGE_KEY),
            to("roles/secretmanager.secretAccessor", *_ASK),
        ),
        (
            secret(MAIL_SECRET),
            to("roles/secretmanager.secretAccessor", *(_TELL if MAIL_SECRET in secrets_there else ())),
        ),
        (
            secret(WEBHOOK_SECRET),
            to("roles/secretmanager.secretAccessor", WEBHOOK),
        ),
    ]


def _sources(deployment: Deployment) -> str:
    """Where Cloud Functions keeps the sources of what it builds: https://cloud.google.com/functions/docs/building."""
    cloud = deployment.cloud
    bucket = f"projects/_/buckets/gcf-v2-sources-{cloud.project_number}-{cloud.region}"
    return f"resource.name.startsWith('{bucket}')"


def _reader(deployment: Deployment, bucket: Mapping[str, Any]) -> RoleGrant:
    """What the key of images' addresses opens."""
    reader = member(deployment.cloud, IMAGES)
    if _has_uniform_access(bucket):
        where = _below(bucket["name"], "users/")
        return RoleGrant(role="roles/storage.objectViewer", member=reader, where=where)
    return RoleGrant(role="roles/storage.legacyObjectReader", member=reader)


def _creator(deployment: Deployment, bucket: Mapping[str, Any]) -> RoleGrant:
    """What the API's links to upload open: new objects, and no other."""
    where = _below(bucket["name"], "users/") if _has_uniform_access(bucket) else None
    return RoleGrant(role="roles/storage.objectCreator", member=member(deployment.cloud, API), where=where)


def _has_uniform_access(bucket: Mapping[str, Any]) -> bool:
    """Whether Google takes a condition on a bucket's objects. Elsewhere a role ends at the bucket.

    https://cloud.google.com/storage/docs/access-control/iam#conditions
    """
    return bool(bucket.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled"))


def _below(bucket: str, folder: str) -> str:
    """The condition that an object lies in a folder."""
    return f"resource.name.startsWith('projects/_/buckets/{bucket}/objects/{folder}')"


def _agents_grant(deployment: Deployment, service: str) -> RoleGrant:
    cloud = deployment.cloud
    identity = ("beta", "services", "identity", "create", f"--service={service}.googleapis.com")
    return RoleGrant(
        role=f"roles/{service}.serviceAgent", member=agent(cloud, service), first=(cloud.gcloud(*identity),)
    )
