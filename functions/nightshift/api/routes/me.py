"""The caller's own account: wallet, preferences, devices."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from starlette.responses import Response

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.common import ApiModel
from nightshift.api.shapes.me import Device, Me, NewDevice, Preferences, WalletView
from nightshift.database import reads
from nightshift.database.collections import WALLETS
from nightshift.errors import HttpError
from nightshift.ledger.limits import Admissions
from nightshift.ledger.wallet import Wallet
from nightshift.notify import wishes
from nightshift.values.ids import is_job_id


async def look(call: ApiCall) -> Me:
    """Look at one's own account."""
    runtime, user_id = call.runtime, call.user_id
    wallet = (await reads.read(runtime, f"{WALLETS}/{user_id}")).to_dict()
    read = Wallet.read(wallet)
    view = WalletView(balance=read.balance, totalEarned=read.total_earned, totalSpent=read.total_spent)
    return Me(
        userId=user_id,
        wallet=view if wallet is not None else None,
        preferences=_preferences(await wishes.read_preferences(runtime, user_id)),
        admittedToday=Admissions.read(wallet, runtime.today).on_day,
        maxJobsPerDay=runtime.settings.max_jobs_per_day,
    )


async def put_preferences(call: ApiCall) -> Preferences:
    """Say how one wants to be told that a job has ended. What is left out has its default; all else stays."""
    wanted: Preferences = call.body
    await wishes.write_preferences(call.runtime, call.user_id, wanted.model_dump())
    return wanted


async def put_device(call: ApiCall) -> Device:
    """Register a device for push messages, or its new token. A user has at most 20."""
    wanted: NewDevice = call.body
    device_id = _device_id(call)
    if not await wishes.has_room(call.runtime, call.user_id, device_id):
        raise HttpError(409, "too_many_devices", f"A user has at most {wishes.MOST_DEVICES} devices; delete one.")
    fields = wanted.model_dump(exclude_none=True)
    updated_at = await wishes.write_device(call.runtime, call.user_id, device_id, fields)
    return Device(id=device_id, platform=wanted.platform, updatedAt=updated_at)


async def delete_device(call: ApiCall) -> ApiModel | Response:
    """Forget a device. One that is not registered is answered the same."""
    await wishes.delete_device(call.runtime, call.user_id, _device_id(call))
    return Response(status_code=204)


def _device_id(call: ApiCall) -> str:
    device_id = call.path["id"]
    if not is_job_id(device_id):
        raise HttpError(404, "not_found", "A device's id may hold 1 to 60 letters, digits, hyphens and underscores.")
    return device_id


def _preferences(fields: Mapping[str, Any]) -> Preferences:
    given = {name: fields[name] for name in Preferences.model_fields if name in fields}
    try:
        return Preferences.model_validate(given)
    except ValidationError:
        # The document was changed by hand.
        return Preferences()


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
