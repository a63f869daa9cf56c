"""What hostile users do through the API: each move is played within its limits, with tokens that claim what they may.

They create, wish, claim and ask as fast as the API lets them, and try what belongs to others and to admins.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.chaos.hostile import MOVES, Attack, move

# Those of hostile.py, and those below.
__all__ = ["MOVES"]

_VERIFIED: Final = {"email_verified": True}
_BULK_WISHES: Final = ("confirm", "pause", "resume", "cancel", "retry")
_ZONES: Final = ("Asia/Kolkata", "Pacific/Kiritimati", "Etc/GMT+12", "Mars/Base", "UTC")
_OF_ADMINS: Final[tuple[tuple[str, str, Mapping[str, str] | None], ...]] = (
    ("POST", "/queue/submit", {}),
    ("POST", "/batch/process/all", None),
    ("POST", "/jobs/retry", {"code": "result_invalid"}),
    ("POST", "/jobs/honest0/retry", None),
    ("POST", "/scheduler/stop", None),
    ("POST", "/batches/ns-00000000000000000000/cancel", None),
    ("POST", "/alerts/late/ack", None),
    ("GET", "/users/alice/jobs", None),
    ("GET", "/dashboard", None),
)


def _job(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "waste_classification", "input": {"text": text}, **fields}


async def _post(attack: Attack, uid: str, path: str, body: Mapping[str, Any] | None = None, key: str = "") -> Any:
    """POST; returns what was answered, or None if it was refused."""
    request: dict[str, Any] = {} if body is None else {"json": body}
    if key:
        request["headers"] = {"Idempotency-Key": key}
    answer = await attack.call(uid, "POST", path, **request)
    return answer and answer.json()


@move
async def api_floods(attack: Attack, number: int) -> None:
    """More jobs than were paid for, one by one and together, and keys that are used again for something else."""
    uid = await attack.buyer(8)
    created = [await _post(attack, uid, "/jobs", _job(f"api {number} {one}", priority=10)) for one in range(6)]
    created.append(await _post(attack, uid, "/jobs", _job("dear", speed="instant")))
    key = f"again-{number}"
    created += [await _post(attack, uid, "/jobs", _job(text), key) for text in ("first", "second", "third")]
    for many in (3, 250):
        jobs = [_job(f"together {number} {one}") for one in range(many)]
        answer = await _post(attack, uid, "/jobs/bulk", {"jobs": jobs}, key=f"together-{number}-{many}")
        created += answer["jobs"] if answer else []
    await attack.deliver([job["id"] for job in created if job])
    for _ in range(3):
        await attack.call(uid, "GET", "/jobs?pageSize=100")


@move
async def wishes_without_end(attack: Attack, number: int) -> None:
    """Every wish of a bulk job again and again, each of which may call a worker; and quotes that are never paid."""
    uid = await attack.buyer(12)
    items = [{"text": f"wished {number} {row}"} for row in range(3)]
    for one in range(4):
        created = await _post(
            attack, uid, "/bulk-jobs", {"type": "waste_classification", "items": items, "keyColumn": "text"}
        )
        if created is None:
            continue
        await attack.deliver_bulk(created["id"])
        for again in range(2):
            for wish in _BULK_WISHES[(number + one) % 3 :]:
                body = {"maxTokens": again} if wish in {"confirm", "retry"} else None
                await _post(attack, uid, f"/bulk-jobs/{created['id']}/{wish}", body)
        await attack.call(uid, "GET", f"/bulk-jobs/{created['id']}/items?pageSize=100")


@move
async def claims_of_many_accounts(attack: Attack, number: int) -> None:
    """Accounts that claim all that there is, in all zones, and spend what they were given."""
    for one in range(3):
        uid = attack.user(**_VERIFIED if (number + one) % 4 else {})
        for zone in _ZONES:
            await _post(attack, uid, "/me/daily-login", {"timeZone": zone})
        for tokens in (1, 1, 5):
            await _post(attack, uid, "/me/conversions", {"tokens": tokens})
        for achievement in ("first_answer", "no_such", "x" * 60):
            await _post(attack, uid, f"/me/achievements/{achievement}/claim")
        me = await attack.call(uid, "GET", "/me")
        attack.effort.payers += bool(me and (me.json().get("wallet") or {}).get("balance"))
        created = [await _post(attack, uid, "/jobs", _job(f"earned {number} {one} {job}")) for job in range(4)]
        await attack.deliver([job["id"] for job in created if job])


@move
async def what_belongs_to_others(attack: Attack, number: int) -> None:
    """Routes of admins, with claims that nearly are; jobs and bulk jobs of honest users; devices without number."""
    uid = attack.user(admin=("true", 1, [True], {"admin": True})[number % 4])
    for method, path, body in _OF_ADMINS:
        await attack.call(uid, method, path, **({} if body is None else {"json": body}))
    for wish in _BULK_WISHES:
        await _post(attack, uid, f"/bulk-jobs/many0/{wish}", {} if wish in {"confirm", "retry"} else None)
    for job_id in ("honest0", "honest1"):
        await _post(attack, uid, f"/jobs/{job_id}/cancel")
    for path in ("/jobs/honest0", "/bulk-jobs/many0", "/bulk-jobs/many0/items", "/bulk-jobs/many0/download?format=csv"):
        await attack.call(uid, "GET", path)
    for device in range(23):
        await attack.call(uid, "PUT", f"/me/devices/device{device}", json={"token": f"token-{device}"})
    await attack.call(uid, "DELETE", "/me/devices/device0")
    await attack.call(uid, "PUT", "/me/preferences", json={"email": True, "push": True, "language": "en"})
    for name in ("photo.png", "../alice/photo.png"):
        await _post(attack, uid, "/uploads", {"purpose": "image", "name": name, "contentType": "image/png"})


@move
async def requests_without_end(attack: Attack, number: int) -> None:
    """One user asks until the API answers 429: no other user is asked to wait."""
    uid = attack.user()
    paths = ("/me", "/jobs", "/bulk-jobs", "/me/achievements", "/health")
    for one in range(130):
        await attack.call(uid, "GET", paths[(number + one) % len(paths)])
