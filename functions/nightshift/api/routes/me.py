"""The caller's own account: wallet, preferences, devices.

Daily login, conversions and achievements (`POST /me/…`) belong here, too: each is one more `ApiRoute`.
"""

from datetime import datetime
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP
from pydantic import ValidationError
from starlette.responses import Response

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.common import ApiModel
from nightshift.api.shapes.me import Device, Me, NewDevice, Preferences, WalletView
from nightshift.database import reads
from nightshift.database.collections import DEVICE_TOKENS, DEVICES, PREFERENCES, WALLETS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.errors import HttpError
from nightshift.ledger.limits import Admissions
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.ids import is_job_id

_MOST_DEVICES: Final = 20


async def look(call: ApiCall) -> Me:
    """Look at one's own account."""
    runtime, user_id = call.runtime, call.user_id
    wallet = (await reads.read(runtime, f"{WALLETS}/{user_id}")).to_dict()
    preferences = (await reads.read(runtime, f"{PREFERENCES}/{user_id}")).to_dict()
    read = Wallet.read(wallet)
    view = WalletView(balance=read.balance, totalEarned=read.total_earned, totalSpent=read.total_spent)
    return Me(
        userId=user_id,
        wallet=view if wallet is not None else None,
        preferences=_preferences(preferences or {}),
        admittedToday=Admissions.read(wallet, runtime.today).on_day,
        maxJobsPerDay=runtime.settings.max_jobs_per_day,
    )


async def put_preferences(call: ApiCall) -> Preferences:
    """Say how one wants to be told that a job has ended. What is left out is as if it never was set."""
    wanted: Preferences = call.body
    await _write(call.runtime, f"{PREFERENCES}/{call.user_id}", wanted.model_dump())
    return wanted


async def put_device(call: ApiCall) -> Device:
    """Register a device for push messages, or its new token. A user has at most 20."""
    runtime, wanted, device_id = call.runtime, call.body, _device_id(call)
    devices = runtime.firestore.collection(DEVICES).document(call.user_id).collection(DEVICE_TOKENS)
    if not (await devices.document(device_id).get(**READ)).exists:
        number = int((await devices.limit(_MOST_DEVICES).count().get(**READ))[0][0].value)
        if number >= _MOST_DEVICES:
            raise HttpError(409, "too_many_devices", f"A user has at most {_MOST_DEVICES} devices; delete one.")
    fields = wanted.model_dump(exclude_none=True)
    path = f"{DEVICES}/{call.user_id}/{DEVICE_TOKENS}/{device_id}"
    updated_at = await _write(runtime, path, {**fields, "updatedAt": SERVER_TIMESTAMP})
    return Device(id=device_id, platform=wanted.platform, updatedAt=updated_at)


async def delete_device(call: ApiCall) -> ApiModel | Response:
    """Forget a device. One that is not registered is answered the same."""
    path = f"{DEVICES}/{call.user_id}/{DEVICE_TOKENS}/{_device_id(call)}"
    await _write(call.runtime, path, None)
    return Response(status_code=204)


def _device_id(call: ApiCall) -> str:
    device_id = call.path["id"]
    if not is_job_id(device_id):
        raise HttpError(404, "not_found", "A device's id may hold 1 to 60 letters, digits, hyphens and underscores.")
    return device_id


def _preferences(fields: dict[str, Any]) -> Preferences:
    given = {name: fields[name] for name in Preferences.model_fields if name in fields}
    try:
        return Preferences.model_validate(given)
    except ValidationError:
        # The document was changed by hand.
        return Preferences()


async def _write(runtime: Runtime, path: str, fields: dict[str, Any] | None) -> datetime:
    """Replace a document of the caller's own, or delete it; twice is as good as once."""
    async for _ in attempts():
        commit, ref = Commit(runtime), runtime.firestore.document(path)
        commit.delete(ref) if fields is None else commit.set(ref, fields)
        try:
            return await commit.send()
        except Undecided:
            continue
    raise AssertionError("attempts() ends by raising")


ROUTES: Final = (
    ApiRoute(method="GET", path="/me", who="user", handler=look, answer=Me, is_polled=True),
    ApiRoute(
        method="PUT", path="/me/preferences", who="user", handler=put_preferences, body=Preferences, answer=Preferences
    ),
    ApiRoute(
        method="PUT",
        path="/me/devices/{id}",
        who="user",
        handler=put_device,
        body=NewDevice,
        answer=Device,
        errors={404: "No device can have this id.", 409: "The user has 20 devices."},
    ),
    ApiRoute(
        method="DELETE",
        path="/me/devices/{id}",
        who="user",
        handler=delete_device,
        answer=None,
        status=204,
        errors={404: "No device can have this id."},
    ),
)
