"""What the API's bench asks: each route at least once, and where it changes something, of a thing of its own each time.

In a path `{live}` is a job that no request before has touched, and `{turn}` the number of the request, from 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.api_documents import BATCH_WISHES, BOTTLE, BULK_WISHES, ENDED_BULK, UNSUBSCRIBE_KEY, USER
from bench.seeding import LANE, job_id

_IMAGE: Final = {"purpose": "image", "name": "a.png", "contentType": "image/png"}
_PUSH: Final = {"platform": "android", "token": "a-device"}
_SCORED: Final = {"input": {"text": "Buy one, get one free."}}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request of a bench."""

    method: str
    path: str
    body: Any = None
    as_admin: bool = False
    status: int = 200
    # How many reads more it may cost with many jobs than with few.
    most_more: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


def _get(path: str, *, as_admin: bool = False) -> Asked:
    return Asked(method="GET", path=path, as_admin=as_admin)


def _post(path: str, body: Any = None, status: int = 200, *, as_admin: bool = False, key: str | None = None) -> Asked:
    headers = {"Idempotency-Key": key} if key else {}
    return Asked(method="POST", path=path, body=body, status=status, as_admin=as_admin, headers=headers)


_OF_USERS: Final = (
    _get("/me"),
    Asked(method="PUT", path="/me/preferences", body={"email": True}),
    Asked(method="PUT", path="/me/devices/phone", body=_PUSH),
    Asked(method="DELETE", path="/me/devices/phone", status=204),
    _post("/me/daily-login", {}),
    # There are five conversions a day: this is one.
    _post("/me/conversions", {"tokens": 1}, key="one"),
    _get("/me/achievements"),
    _post("/me/achievements/first_answer/claim"),
    _get(f"/unsubscribe/{USER}/{UNSUBSCRIBE_KEY}"),
    _post(f"/unsubscribe/{USER}/{UNSUBSCRIBE_KEY}"),
    _get("/job-types"),
    _post("/jobs", BOTTLE, 201),
    _post("/jobs/bulk", {"jobs": [BOTTLE] * 250}, 201),
    _post("/batch/integrate/creative-scoring", _SCORED, 201),
    _post("/batch/integrate/embeddings", {"input": {"text": "a bottle"}}, 201),
    _get("/jobs?pageSize=10"),
    _get("/jobs?status=failed&pageSize=10"),
    _get(f"/jobs/{job_id(0)}"),
    _post("/jobs/{live}/cancel"),
    _post("/uploads", _IMAGE, 201),
    _post("/bulk-jobs", {"type": BOTTLE["type"], "items": [{"text": "x"}] * 1_000}, 201),
    _get("/bulk-jobs"),
    _get(f"/bulk-jobs/{ENDED_BULK}"),
    _get(f"/bulk-jobs/{ENDED_BULK}/items?status=completed&pageSize=10"),
    _get(f"/bulk-jobs/{ENDED_BULK}/download?format=csv"),
    *(_post(f"/bulk-jobs/{wish}-{{turn}}/{wish}", body, 202) for wish, (_, body) in BULK_WISHES.items()),
)
_OF_ADMINS: Final = (
    _get("/health", as_admin=True),
    _get("/batches?pageSize=10", as_admin=True),
    _get("/batches?open=true", as_admin=True),
    _get("/batch/active", as_admin=True),
    _get("/batches/ns-00000", as_admin=True),
    _get("/batches/ns-00000/jobs", as_admin=True),
    *(_post(f"/batches/ns-{wish}-{{turn}}/{wish}", None, 202, as_admin=True) for wish in BATCH_WISHES),
    _get(f"/jobs/{job_id(2)}/story", as_admin=True),
    _get(f"/users/{USER}/jobs?pageSize=10", as_admin=True),
    # A thousand queued jobs are a read, up to a bound.
    Asked(method="GET", path="/queue", as_admin=True, most_more=5),
    _post("/queue/submit", {"lane": str(LANE)}, 202, as_admin=True),
    _post("/batch/process/all", None, 202, as_admin=True),
    # What it prices it reads, up to a bound; a page more says that there are more.
    Asked(method="GET", path="/failed-jobs?code=provider_rejected", as_admin=True, most_more=5_200),
    _post("/jobs/retry", {"code": "provider_rejected"}, 202, as_admin=True),
    _post("/jobs/failed-{turn}/retry", as_admin=True),
    _get("/scheduler", as_admin=True),
    _post("/scheduler/stop", as_admin=True),
    _post("/scheduler/start", as_admin=True),
    *(
        _get(path, as_admin=True)
        for path in ("/dashboard", "/metrics", "/savings", "/trends?weeks=8", "/report?period=month", "/alerts")
    ),
    _get("/report?period=month&format=md", as_admin=True),
    _post("/alerts/backlog.1/ack", as_admin=True),
)
REQUESTS: Final[Sequence[Asked]] = _OF_USERS + _OF_ADMINS
