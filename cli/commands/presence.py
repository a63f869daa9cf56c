"""The first question of every command: does the database answer, and does the project hold anything of ours?

So an unreachable database is an error within seconds, whatever the command does then. Three reads at most.
"""

import asyncio
from typing import Any, Final

from nightshift.database.collections import BATCHES, JOBS, WALLETS
from nightshift.database.commits import READ
from nightshift.runtime import Runtime

_PATIENCE_SECONDS: Final = 3.0
_SOON: Final[dict[str, Any]] = {"timeout": _PATIENCE_SECONDS, "retry": READ["retry"].with_timeout(_PATIENCE_SECONDS)}


async def holds_documents(runtime: Runtime) -> bool:
    """Whether the project holds a job, a batch or a wallet. Raises GoogleAPIError within seconds."""

    async def any_of(collection: str) -> bool:
        return bool(await runtime.firestore.collection(collection).select(()).limit(1).get(**_SOON))

    return any(await asyncio.gather(*map(any_of, (JOBS, BATCHES, WALLETS))))
