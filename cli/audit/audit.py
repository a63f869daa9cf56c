"""The audit's conductor: one check after the other, each finding as soon as it is found.

The order is that in which they can be mended: what must not be at the provider is stopped before its jobs are sent
again, the jobs come before the batches that count them, and all refunds before the wallets.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from google.api_core.exceptions import GoogleAPIError

from cli.audit import batches, bulk, economy, history, jobs, provider, wallets
from cli.audit.finding import Check, Finding
from cli.audit.scope import Scope
from nightshift.errors import NightshiftError
from nightshift.providers.base import ProviderMissing

_CHECKS: Final[dict[Check, Callable[[Scope], AsyncIterator[Finding]]]] = {
    "provider": provider.findings,
    "jobs": jobs.findings,
    "batches": batches.findings,
    "bulk": bulk.findings,
    "wallets": wallets.findings,
    "economy": economy.findings,
    "history": history.findings,
}


async def audit(scope: Scope) -> AsyncIterator[Finding]:
    """Every finding. What could not be looked at stands in `scope.skipped` and `scope.troubles` afterwards."""
    for name, check in _CHECKS.items():
        try:
            async for finding in check(scope):
                yield finding
        except ProviderMissing as missing:
            scope.skipped[name] = str(missing)
        except (NightshiftError, GoogleAPIError) as trouble:
            scope.troubles[name] = f"{type(trouble).__name__}: {trouble}"
