"""The provider: no live batch and no input file that is not on record, no batch on record that it does not know.

The provider and Firestore cannot be read as of one instant. So each suspect is looked at again, in the order in which
the truth travels: a batch is closed after it ended, a file is deleted before its batch is closed.
"""

from collections.abc import AsyncIterator

from google.cloud.firestore import FieldFilter

from cli.audit.finding import Finding
from cli.audit.scope import Scope
from nightshift.batches import documents as batches
from nightshift.batches import evidence
from nightshift.batches.batch import Batch
from nightshift.batches.poll import is_stray
from nightshift.database.collections import BATCHES
from nightshift.database.pages import pages
from nightshift.errors import TryLater
from nightshift.providers.base import Provider, ProviderGone, ProviderMissing, RemoteBatch, RemoteFile
from nightshift.runtime import Runtime
from nightshift.tick.tick import is_stray_file


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Strays at the provider, and batches that it does not know."""
    live: set[str] = set()
    for provider in scope.runtime.providers.configured():
        async for remote in provider.batches():
            scope.looked_at["provider batches"] += 1
            if remote.outcome is not None:
                continue
            if not provider.traits.is_stamped:
                owner = await batches.with_remote_id(scope.runtime, remote.remote_id)
                if owner:
                    live.add(owner.batch_id)
                elif await _is_unexplained(scope, remote):
                    yield _unexplained(remote)
                continue
            if remote.batch_id is None:
                continue
            live.add(remote.batch_id)
            if await _is_stray(scope, provider, remote, remote.batch_id):
                yield _stray(scope.runtime, provider, remote, remote.batch_id)
    scope.live_at_provider = live
    async for batch in _submitted(scope.runtime):
        if await _is_unknown(scope, batch):
            yield Finding(
                check="provider",
                subject=f"{BATCHES}/{batch.batch_id}",
                sentence=f"It was submitted as {batch.remote_id}, and the provider knows no such batch.",
                undecided="48 hours after its submission the tick sends its jobs again",
            )
    for provider in scope.runtime.providers.configured():
        async for file in _stray_files(scope, provider):
            yield _stray_file(scope.runtime, provider, file)


async def _is_unexplained(scope: Scope, remote: RemoteBatch) -> bool:
    """Whether no batch of ours may have made it, at a provider that keeps no stamp."""
    if remote.is_cancelling or (remote.created_at is not None and remote.created_at > scope.waited_since(0)):
        return False
    open_batches = [found.batch for found in await batches.open_batches(scope.runtime)]
    return not any(evidence.may_be(batch, remote) for batch in open_batches if batch.remote_id is None)


def _unexplained(remote: RemoteBatch) -> Finding:
    return Finding(
        check="provider",
        subject=f"provider batch {remote.remote_id}",
        sentence=f"It is live with {remote.requests} requests, bears no stamp, and no batch has it on record.",
        undecided="if nothing else uses the provider's Workspace, cancel it there",
    )


async def _is_stray(scope: Scope, provider: Provider, remote: RemoteBatch, batch_id: str) -> bool:
    is_young = remote.created_at is not None and remote.created_at > scope.waited_since(0)
    if remote.is_cancelling or is_young:
        return False
    try:
        if not await is_stray(scope.runtime, remote.remote_id, batch_id):
            return False
        again = await provider.retrieve(remote.remote_id)
    except (TryLater, ProviderGone):
        return False
    return again.outcome is None and not again.is_cancelling


def _stray(runtime: Runtime, provider: Provider, remote: RemoteBatch, batch_id: str) -> Finding:
    async def cancel() -> str:
        if not await is_stray(runtime, remote.remote_id, batch_id):
            return "Nothing: it is on record now."
        await provider.cancel(remote.remote_id)
        return "It was asked to stop."

    return Finding(
        check="provider",
        subject=f"provider batch {remote.remote_id}",
        sentence=f"It is live and stamped {batch_id}, and no open batch of this id has it on record.",
        mend=cancel,
    )


async def _submitted(runtime: Runtime) -> AsyncIterator[Batch]:
    query = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("status", "==", "submitted"))
    async for page in pages(query):
        for snapshot in page:
            batch = batches.readable(snapshot.id, snapshot.to_dict() or {})
            if batch and batch.remote_id:
                yield batch


async def _is_unknown(scope: Scope, batch: Batch) -> bool:
    if (batch.submitted_at or batch.created_at) > scope.waited_since(0) or not batch.remote_id:
        return False
    try:
        await scope.runtime.provider_for(batch.lane).retrieve(batch.remote_id)
    except ProviderMissing as missing:
        scope.skipped["provider"] = str(missing)
        return False
    except ProviderGone:
        again = await batches.read(scope.runtime, batch.batch_id)
        return again is not None and (again.status, again.remote_id) == (batch.status, batch.remote_id)
    return False


async def _stray_files(scope: Scope, provider: Provider) -> AsyncIterator[RemoteFile]:
    suspects: set[str] = set()
    async for file in provider.input_files():
        scope.looked_at["provider files"] += 1
        if await _seems_stray(scope.runtime, file):
            suspects.add(file.file_id)
    if suspects:
        # Its batch was closed before this second listing, and should have deleted it before that.
        async for file in provider.input_files():
            if file.file_id in suspects:
                yield file


async def _seems_stray(runtime: Runtime, file: RemoteFile) -> bool:
    try:
        return await is_stray_file(runtime, file)
    except TryLater:
        return False


def _stray_file(runtime: Runtime, provider: Provider, file: RemoteFile) -> Finding:
    async def delete() -> str:
        await provider.delete_file(file.file_id)
        return "It was deleted at the provider."

    return Finding(
        check="provider",
        subject=f"provider file {file.file_id}",
        sentence=f"It is named {file.name}, and that batch does not own it.",
        mend=delete,
    )
