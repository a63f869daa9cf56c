"""Both services on their ports, inside the stack's own process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from local.errors import StackError
from local.firebase.auth_routes import AuthRoutes, Welcome
from local.firebase.storage_objects import Objects
from local.firebase.storage_routes import StorageRoutes
from local.firebase.storage_rules import StorageRules
from local.ports import AUTH, EVERYWHERE, HOST, STORAGE, free_ports, standard_ports
from local.serve import serving

# Cloud Storage's emulator accepts few connections at once.
_MOST_CONNECTIONS = 4


@dataclass(frozen=True, kw_only=True)
class FirebaseAddresses:
    """Where an app finds the services (HOST:PORT)."""

    auth: str
    storage: str

    @classmethod
    def choose(cls, *, standard: bool) -> "FirebaseAddresses":
        """Free ports; with `standard` those of the Emulator Suite where they are free."""
        auth, storage = standard_ports((AUTH, STORAGE)) if standard else free_ports(2)
        return cls(auth=f"{HOST}:{auth}", storage=f"{HOST}:{storage}")


@asynccontextmanager
async def running_firebase(
    addresses: FirebaseAddresses,
    *,
    project: str,
    firestore: str,
    storage_url: str,
    rules: Path,
    welcome: Welcome | None = None,
    lan: bool = False,
    say: Callable[[str], None] = print,
) -> AsyncIterator[AuthRoutes]:
    """Serve Auth and Storage; yields what serves Auth.

    Args:
        firestore: the Firestore emulator (HOST:PORT), which evaluates the storage rules.
        storage_url: the emulator that keeps the objects.
        rules: storage.rules; without the file everybody may do everything.
        welcome: called with the uid of each new user.
        lan: whether a phone in the same network reaches them, too.
    """
    async with AsyncExitStack() as closing:
        limits = httpx.Limits(max_connections=_MOST_CONNECTIONS)
        client = await closing.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60, limits=limits))
        evaluated = await _loaded(StorageRules(client, firestore, project), rules, say)
        auth = AuthRoutes(project, welcome)
        storage = StorageRoutes(Objects(client, storage_url), evaluated)
        for app, address in ((auth.app, addresses.auth), (storage.app, addresses.storage)):
            port = int(address.rpartition(":")[2])
            await closing.enter_async_context(serving(app, EVERYWHERE if lan else HOST, port))
        yield auth


async def _loaded(rules: StorageRules, file: Path, say: Callable[[str], None]) -> StorageRules | None:
    text = await asyncio.to_thread(lambda: file.read_text() if file.exists() else None)
    if text is None:
        return None
    try:
        await rules.load(text)
    except StackError as error:
        say(f"{file.name} cannot be evaluated here, so every user may upload and read everything: {error}")
        return None
    return rules
