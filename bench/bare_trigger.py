"""The floor of `bench/trigger.py`: a function that takes the same event and makes the same calls to Firestore.

functions-framework serves it. The writes were built when it was loaded, and what it reads it does not decode.
"""

import os
from functools import cache
from typing import Any

import functions_framework.aio as functions
from cloudevents.http import CloudEvent
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient
from starlette.requests import Request
from starlette.responses import Response

from nightshift.database import encoding
from nightshift.database.grouped_calls import Group, GroupedCalls

JOBS_VARIABLE = "BENCH_JOBS"
USERS = 200


def job_id(number: int) -> str:
    """The id of the nth job."""
    return f"job{number:017}"


def user_id(number: int) -> str:
    """The user whose job this is."""
    return f"user{number % USERS:03}"


@cache
def _client() -> AsyncClient:
    return AsyncClient(project=os.environ["GOOGLE_CLOUD_PROJECT"])


def _writes(number: int) -> list[Any]:
    root = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/databases/(default)/documents"
    queued = {
        "status": "queued",
        "attempts": 0,
        "lane": "openai:/v1/chat/completions:gpt-5-mini",
        "priority": 5,
        "tokensSpent": 1,
        "queuedAt": SERVER_TIMESTAMP,
        "updatedAt": SERVER_TIMESTAMP,
    }
    charge = {"amount": -1, "kind": "charge", "jobId": job_id(number), "createdAt": SERVER_TIMESTAMP}
    admissions = {"day": "2026-11-28", "onDay": 7, "inFlightAtMost": 7}
    wallet = {
        "balance": 100,
        "totalEarned": 110,
        "totalSpent": 10,
        "admissions": admissions,
        "updatedAt": SERVER_TIMESTAMP,
    }
    of_user = f"{root}/wallets/{user_id(number)}"
    writes = [
        encoding.merge(f"{root}/ai_jobs/{job_id(number)}", queued),
        encoding.create(f"{of_user}/ledger/{job_id(number)}.charge", charge),
        encoding.merge(of_user, wallet),
    ]
    for write in (writes[0], writes[2]):
        write.current_document.exists = True
    return writes


_BUILT = {job_id(number): _writes(number) for number in range(int(os.environ.get(JOBS_VARIABLE, "0")))}
_USER_OF = {job_id(number): user_id(number) for number in range(len(_BUILT))}


async def _read(answers: Group[str, None]) -> None:
    client = _client()
    request = {"database": client._database_string, "documents": list(answers)}
    found = await client._firestore_api.batch_get_documents(request=request, metadata=client._rpc_metadata)
    async for response in found:
        answers[response._pb.found.name].set_result(None)


async def _commit(answers: Group[str, None]) -> None:
    """One commit for the jobs of one user, with the wallet once, as ours."""
    client, ids = _client(), list(answers)
    writes = [write for each in ids for write in _BUILT[each][:2]] + [_BUILT[ids[-1]][2]]
    request = {"database": client._database_string, "writes": writes}
    await client._firestore_api.commit(request=request, metadata=client._rpc_metadata)
    for answer in answers.values():
        answer.set_result(None)


_reads: GroupedCalls[str, None] = GroupedCalls(_read, most=100)
_commits: GroupedCalls[str, None] = GroupedCalls(_commit, most=100)


@functions.http
async def on_ai_job_created(request: Request) -> Response:
    """Read the job, read the wallet, and commit what admitting the job would write."""
    from cloudevents.http import from_http

    event: CloudEvent = from_http(dict(request.headers), await request.body())
    named = event.get_attributes()["document"].rpartition("/")[2]
    root = f"{_client()._database_string}/documents"
    await _reads.ask(f"{root}/ai_jobs/{named}")
    await _reads.ask(f"{root}/wallets/{_USER_OF[named]}")
    await _commits.ask(named, at=_USER_OF[named])
    return Response("OK")
