"""The route table of the REST API: a file for each thing that is asked about, each with its `ROUTES`."""

from typing import Final

from nightshift.api.route import ApiRoute
from nightshift.api.routes import (
    alerts,
    batches,
    bulk,
    earning,
    health,
    job_types,
    jobs,
    me,
    queue,
    reports,
    stories,
    unsubscribe,
    uploads,
)

# In this order they are matched: a path of words stands before one with a name in braces.
ROUTES: Final[tuple[ApiRoute, ...]] = (
    *health.ROUTES,
    *me.ROUTES,
    *earning.ROUTES,
    *unsubscribe.ROUTES,
    *job_types.ROUTES,
    *jobs.ROUTES,
    *uploads.ROUTES,
    *bulk.ROUTES,
    *queue.ROUTES,
    *batches.ROUTES,
    *stories.ROUTES,
    *reports.ROUTES,
    *alerts.ROUTES,
)
