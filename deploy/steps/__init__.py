"""The steps in their order, each of which needs what stands before it.

- Indexes, until they are built, before the functions: a query without its index fails.
- Topics and grants before the functions: one would be called before it may do its work.
- Functions before the rules: the rules of a new version let clients write what only its functions understand, and an
  older one would fail the job for good. What they forbid anew is forbidden some minutes later; and to a database that
  never had rules, no client comes.
- Functions before the pages, which call the API of this version.
- Functions before who may call them, and before the dead letters: service and subscription are made together with them.
  An event that comes too early is delivered again.
- Metrics before the alerts that name them.
- Functions before the clean-up of their images: the first function makes the repository.

So an older checkout is deployed in the same way: indexes that it does not know stay, since nothing here removes one.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from deploy.change import Change
from deploy.deployment import Deployment
from deploy.steps import (
    apis,
    app_check,
    buckets,
    budget,
    database,
    dead_letters,
    functions,
    grants,
    image_key,
    images,
    indexes,
    invokers,
    monitoring,
    pages,
    roles,
    rules,
    schedules,
    secrets,
    service_accounts,
)


@dataclass(frozen=True)
class Step:
    """One step: what it is about, and who looks."""

    title: str
    changes: Callable[[Deployment], AsyncIterator[Change]]


STEPS: Final = (
    Step("APIs", apis.changes),
    Step("Service accounts", service_accounts.changes),
    Step("Database", database.changes),
    Step("Backups", database.backups),
    Step("Indexes and TTL", indexes.changes),
    Step("Buckets", buckets.changes),
    Step("Secrets", secrets.changes),
    Step("Key of images' addresses", image_key.changes),
    Step("Topics and schedules", schedules.changes),
    Step("Roles", roles.changes),
    Step("Grants", grants.changes),
    Step("Functions", functions.changes),
    Step("Who may call them", invokers.changes),
    Step("Dead letters", dead_letters.changes),
    Step("Old images", images.changes),
    Step("Rules", rules.changes),
    Step("Dashboard's pages", pages.changes),
    Step("App Check", app_check.changes),
    Step("Metrics", monitoring.metrics),
    Step("Dashboards", monitoring.dashboards),
    Step("Notification channel", monitoring.channel),
    Step("Alerts", monitoring.alerts),
    Step("Budget", budget.changes),
)
