"""Google's APIs, as far as gcloud and the Firebase CLI ask them during a deployment: one project, served over HTTP.

It is reached as a proxy. So the programs ask for `http://run.googleapis.com/…` or, as gcloud does for a region,
`http://asia-south1-run.googleapis.com/…`, and the host says which API is meant. What is made is kept in the shapes of
the APIs' own documentation (https://cloud.google.com/apis/docs/overview), with what Google adds by itself. It is strict
about order: an API that is not enabled answers SERVICE_DISABLED, and what does not exist cannot be used.
"""

from tests.deploy.google_apis import (
    accounts,
    buckets,
    database,
    events,
    monitoring,
    releases,
    secret_versions,
    services,
)
from tests.deploy.google_apis.project import PROJECT, REGION, SITE, Fault, GoogleApis, Refusal
from tests.deploy.google_apis.serving import serving

__all__ = [
    "PROJECT",
    "REGION",
    "SITE",
    "Fault",
    "GoogleApis",
    "Refusal",
    "accounts",
    "buckets",
    "database",
    "events",
    "monitoring",
    "releases",
    "secret_versions",
    "services",
    "serving",
]
