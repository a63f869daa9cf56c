"""How long finished documents are kept: `expireAt`, after which Firestore's TTL policies delete them, within a day.

The policies stand in firestore.indexes.json. A document gets the field in the commit that finishes it, so nothing that
is under way ever expires; a changed setting holds for what finishes from then on. Wallets, ledgers and classifications
are never deleted but by `erase`.
"""

from datetime import timedelta
from typing import Any

from nightshift.runtime import Runtime


def job_expiry(runtime: Runtime) -> dict[str, Any]:
    """The field of a job that ends now."""
    return _expiry(runtime, runtime.settings.keep_jobs_days)


def refused_expiry(runtime: Runtime) -> dict[str, Any]:
    """The field of a job that is refused now, and so was never charged."""
    return _expiry(runtime, runtime.settings.keep_refused_days)


def batch_expiry(runtime: Runtime) -> dict[str, Any]:
    """The field of a batch that is closed now."""
    return _expiry(runtime, runtime.settings.keep_batches_days)


def notification_expiry(runtime: Runtime) -> dict[str, Any]:
    """The field of a notification that is written now."""
    return _expiry(runtime, runtime.settings.keep_notifications_days)


def _expiry(runtime: Runtime, days: int) -> dict[str, Any]:
    """`expireAt`, or nothing where 0 says to keep for ever."""
    return {"expireAt": runtime.now() + timedelta(days=days)} if days else {}
