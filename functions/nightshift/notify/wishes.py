"""What a user wishes to be told by, and the devices that take push messages: `preferences/{uid}`, `devices/{uid}`.

Each write is to a document of the user's own, so twice is as good as once, and the last one counts.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import DEVICE_TOKENS, DEVICES, PREFERENCES
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

MOST_DEVICES: Final = 20


async def read_preferences(runtime: Runtime, user_id: str) -> Mapping[str, Any]:
    """What the user has set, not validated; empty before that. One read."""
    snapshot = await runtime.firestore.collection(PREFERENCES).document(user_id).get(**READ)
    return snapshot.to_dict() or {}


async def write_preferences(runtime: Runtime, user_id: str, fields: Mapping[str, Any]) -> None:
    """Replace these fields; what else the user has set, as `quietHours`, stays. Raises TryLater."""
    ref = runtime.firestore.collection(PREFERENCES).document(user_id)
    await _write(runtime, lambda commit: commit.merge(ref, fields))


async def has_room(runtime: Runtime, user_id: str, device_id: str) -> bool:
    """Whether the device is one of the user's, or may become one of at most MOST_DEVICES. One read, or two."""
    if (await _device(runtime, user_id, device_id).get(**READ)).exists:
        return True
    return await number_of_devices(runtime, user_id) < MOST_DEVICES


async def number_of_devices(runtime: Runtime, user_id: str) -> int:
    """How many devices a user has, counted up to MOST_DEVICES. One read."""
    devices = runtime.firestore.collection(DEVICES).document(user_id).collection(DEVICE_TOKENS)
    return int((await devices.limit(MOST_DEVICES).count().get(**READ))[0][0].value)


async def write_device(runtime: Runtime, user_id: str, device_id: str, fields: Mapping[str, Any]) -> datetime:
    """Register a device, or its new token; returns when. Raises TryLater."""
    ref = _device(runtime, user_id, device_id)
    return await _write(runtime, lambda commit: commit.set(ref, {**fields, "updatedAt": SERVER_TIMESTAMP}))


async def delete_device(runtime: Runtime, user_id: str, device_id: str) -> None:
    """Forget a device, if it is registered. Raises TryLater."""
    await _write(runtime, lambda commit: commit.delete(_device(runtime, user_id, device_id)))


def _device(runtime: Runtime, user_id: str, device_id: str) -> "AsyncDocumentReference":
    devices = runtime.firestore.collection(DEVICES).document(user_id).collection(DEVICE_TOKENS)
    ref: AsyncDocumentReference = devices.document(device_id)
    return ref


async def _write(runtime: Runtime, change: Callable[[Commit], None]) -> datetime:
    async for _ in attempts():
        commit = Commit(runtime)
        change(commit)
        try:
            return await commit.send()
        except Undecided:
            continue
    raise AssertionError("attempts() ends by raising")
