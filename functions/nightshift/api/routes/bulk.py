"""Bulk jobs of the caller: create, list, look, and what the caller wishes of one.

A bulk job is written as a client writes it, and its event starts its journey. A wish is recorded in its document in one
commit (bulk/wishes.py), and a worker is called for it.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from google.cloud.firestore import FieldFilter
from pydantic import ValidationError

from nightshift import job_types
from nightshift.api.creating import another_body, id_for
from nightshift.api.cursors import page_of
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.bulk import (
    BulkJobPage,
    BulkJobView,
    Confirmation,
    CreatedBulkJob,
    Download,
    DownloadAsked,
    ItemPage,
    ItemsAsked,
    ItemView,
    NewBulkJob,
    RetryLimit,
    WishAccepted,
)
from nightshift.api.shapes.common import ApiModel, PageAsked
from nightshift.bulk import creation, documents, objects, wishes
from nightshift.bulk.bulk_job import BulkJob, BulkRequest, Wish
from nightshift.bulk.creation import read_created
from nightshift.bulk.items import Item, Place, read_items
from nightshift.bulk.wishes import WishRefused
from nightshift.database import reads
from nightshift.database.collections import BULK_JOBS, WALLETS
from nightshift.database.commits import Undecided, attempts
from nightshift.errors import HttpError, JobRefused
from nightshift.job_types.base import reasons
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.signed_links import LINK_LIFETIME, signed_link
from nightshift.values.ids import is_job_id, names_a_document

# The rows are in it; a document holds 1 MiB: https://firebase.google.com/docs/firestore/quotas
_MOST_BYTES: Final = 900_000
# What a client chooses: by these fields a repeated request is known for the same.
_CHOSEN: Final = (
    *("userId", "type", "mode", "source", "items", "template", "keyColumn", "dedupe", "skip", "maxTokens"),
)
# Of them those that may be gone later.
_DROPPED: Final = ("items", "template")
# A part, and an index in it.
_PLACE: Final = re.compile(r"([1-9][0-9]{0,5})\.([0-9]{1,6})")
_NONE: Final = {404: "The caller has no such bulk job."}
_NOT_NOW: Final = {**_NONE, 409: "The wish means nothing in the state that the bulk job is in; the message says which."}


async def create(call: ApiCall) -> CreatedBulkJob:
    """Create a bulk job: up to 50,000 rows of an uploaded file, or up to 1,000 items.

    It is read and quoted first. It is charged when it is confirmed, or by itself within `maxTokens`.
    """
    runtime, bulk_id = call.runtime, id_for(call.user_id, "bulk", call.key)
    fields = _fields(call)
    async for number in attempts():
        # Another request with the key may have been faster; or our own commit landed, and its answer was lost.
        before = await read_created(runtime, bulk_id) if call.key or number else None
        if before:
            return _created_before(bulk_id, *before, fields)
        if not number:
            await _check_wallet(runtime, call.user_id)
        try:
            return CreatedBulkJob(id=bulk_id, createdAt=await creation.create(runtime, bulk_id, fields))
        except Undecided:
            continue
    raise AssertionError("attempts() ends by raising")


async def list_own(call: ApiCall) -> BulkJobPage:
    """List the caller's bulk jobs, the newest first."""
    asked: PageAsked = call.query
    query: Any = call.runtime.firestore.collection(BULK_JOBS).select(documents.WITHOUT_ITEMS)
    query = query.where(filter=FieldFilter("userId", "==", call.user_id))
    page, token = await page_of(query, asked.pageSize, asked.pageToken, by="createdAt", newest_first=True)
    return BulkJobPage(bulkJobs=[_view(found.id, found.to_dict() or {}) for found in page], nextPageToken=token)


async def look(call: ApiCall) -> BulkJobView:
    """Look at one of the caller's bulk jobs: quote, counts, progress, when it is expected to end."""
    return _view(call.path["id"], await _own(call))


async def items(call: ApiCall) -> ItemPage:
    """List the rows of a bulk job, and what became of each, in the order of the source; by `status`, if it is given.

    A page may hold fewer than `pageSize`, and still be followed by another. Only what it shows is read.
    """
    asked: ItemsAsked = call.query
    await _own(call)
    place = _place(asked.pageToken)
    found, then = await read_items(call.runtime, call.path["id"], place, asked.pageSize, asked.status)
    return ItemPage(items=[_item(each) for each in found], nextPageToken=f"{then.part}.{then.index}" if then else None)


def _place(token: str | None) -> Place:
    if token is None:
        return Place()
    named = _PLACE.fullmatch(token)
    if named is None:
        raise HttpError(400, "invalid_page_token", "This is no page token of this list.")
    return Place(part=int(named[1]), index=int(named[2]))


def _item(found: Item) -> ItemView:
    row, end = found.row, found.end
    return ItemView(
        row=row.row,
        key=row.key,
        columns=dict(row.columns),
        status=found.status,
        sameAs=row.same_as,
        result=end.get("result"),
        errorCode=end.get("errorCode"),
        errorMessage=end.get("errorMessage"),
    )


async def download(call: ApiCall) -> Download:
    """Get a link to a result file, once the bulk job has ended; it is good for 15 minutes."""
    asked: DownloadAsked = call.query
    fields = await _own(call)
    files = fields.get("files")
    name = files.get(asked.format) if isinstance(files, Mapping) else None
    if not isinstance(name, str) or not names_a_document(name):
        raise HttpError(409, "no_such_file", f"There is no {asked.format} file; look at files of the bulk job.")
    blob = call.runtime.artifacts.blob(f"{objects.prefix(call.path['id'])}{name}")
    expires_at = call.runtime.now() + LINK_LIFETIME
    return Download(url=await signed_link(call.runtime, blob, "GET"), name=name, expiresAt=expires_at)


async def _own(call: ApiCall) -> Mapping[str, Any]:
    """The document of the caller's bulk job of the path. Of another user's it is not told that there is one."""
    bulk_id = call.path["id"]
    snapshot = await documents.snapshot_of(call.runtime, bulk_id) if is_job_id(bulk_id) else None
    fields = (snapshot.to_dict() or {}) if snapshot else {}
    if fields.get("userId") != call.user_id:
        raise HttpError(404, "not_found", "There is no such bulk job.")
    return fields


async def confirm(call: ApiCall) -> WishAccepted:
    """Confirm the quote: the bulk job is charged, and runs."""
    wanted: Confirmation = call.body
    return await _wish(call, "confirm", partial(wishes.confirm, tokens=wanted.maxTokens))


async def retry(call: ApiCall) -> WishAccepted:
    """Run again what failed or was cancelled. It is quoted first."""
    wanted: RetryLimit = call.body
    return await _wish(call, "retry", partial(wishes.retry, tokens=wanted.maxTokens))


async def pause(call: ApiCall) -> WishAccepted:
    """Start no further part; what the provider has goes on."""
    return await _wish(call, "pause", wishes.pause)


async def resume(call: ApiCall) -> WishAccepted:
    """Let a paused bulk job go on."""
    return await _wish(call, "resume", wishes.resume)


async def cancel(call: ApiCall) -> WishAccepted:
    """Stop a bulk job. What is answered stays, and is paid; all else is cancelled, and its tokens come back."""
    return await _wish(call, "cancel", wishes.cancel)


async def _wish(call: ApiCall, wish: Wish, record: Callable[..., Awaitable[BulkJob]]) -> WishAccepted:
    bulk_id = call.path["id"]
    try:
        if not is_job_id(bulk_id):
            raise WishRefused("not_found", "There is no such bulk job.")
        await record(call.runtime, bulk_id, user_id=call.user_id)
    except WishRefused as refused:
        raise HttpError(404 if refused.code == "not_found" else 409, refused.code, refused.message) from None
    return WishAccepted(id=bulk_id, wish=wish)


def _fields(call: ApiCall) -> dict[str, Any]:
    """The client's fields of its document. Raises HttpError for what would be refused in any case."""
    wanted: NewBulkJob = call.body
    fields = {"userId": call.user_id, **wanted.model_dump(exclude_none=True)}
    try:
        job_types.find(wanted.type)
        BulkRequest.model_validate(fields)
    except JobRefused as refusal:
        raise HttpError(400, refusal.code, refusal.message) from None
    except ValidationError as invalid:
        raise HttpError(400, "invalid_input", f"The bulk job is not valid: {reasons(invalid, BulkRequest)}.") from None
    _check_place(call.runtime, call.user_id, wanted)
    return fields


async def _check_wallet(runtime: Runtime, user_id: str) -> None:
    """One read, as the rules have it: the document may be large, and who can pay for no row needs none."""
    if not Wallet.read((await reads.read(runtime, f"{WALLETS}/{user_id}")).to_dict()).covers(1):
        raise HttpError(402, "insufficient_tokens", "The wallet holds no token.")


def _check_place(runtime: Runtime, user_id: str, wanted: NewBulkJob) -> None:
    folder = f"gs://{runtime.settings.uploads_bucket}/users/{user_id}/bulk/"
    if wanted.source and not wanted.source.uri.startswith(folder):
        raise HttpError(400, "invalid_input", f"A source lies in {folder}; POST /uploads gives a place there.")


def _created_before(
    bulk_id: str, found: Mapping[str, Any], created_at: datetime, fields: Mapping[str, Any]
) -> CreatedBulkJob:
    before = {name: content for name, content in found.items() if name in _CHOSEN}
    # The rows are gone once they are read, and the template of what was refused.
    expected = {name: content for name, content in fields.items() if name not in _DROPPED or name in before}
    if before != expected:
        raise another_body()
    return CreatedBulkJob(id=bulk_id, createdAt=created_at)


def _view(bulk_id: str, fields: Mapping[str, Any]) -> BulkJobView:
    """A bulk job's document. A client wrote some of the fields: what does not fit is left out."""
    wish = fields.get("wish")
    given = {name: fields[name] for name in BulkJobView.model_fields if fields.get(name) is not None}
    given |= {"id": bulk_id, "wish": wish.get("action") if isinstance(wish, dict) else None}
    try:
        return BulkJobView.model_validate(given)
    except ValidationError as invalid:
        odd = {error["loc"][0] for error in invalid.errors(include_input=False)}
        fitting = {name: content for name, content in given.items() if name not in odd}
        return BulkJobView.model_validate({"status": "failed", **fitting})


_WISHES: Final[tuple[tuple[Callable[[ApiCall], Awaitable[WishAccepted]], type[ApiModel] | None], ...]] = (
    (confirm, Confirmation),
    (pause, None),
    (resume, None),
    (cancel, None),
    (retry, RetryLimit),
)

ROUTES: Final = (
    ApiRoute(
        method="POST",
        path="/bulk-jobs",
        who="user",
        handler=create,
        body=NewBulkJob,
        most_bytes=_MOST_BYTES,
        answer=CreatedBulkJob,
        status=201,
        creates=True,
        errors={402: "The wallet holds no token.", 409: "The Idempotency-Key was used with another body."},
    ),
    ApiRoute(
        method="GET",
        path="/bulk-jobs",
        who="user",
        handler=list_own,
        query=PageAsked,
        answer=BulkJobPage,
        is_polled=True,
    ),
    ApiRoute(
        method="GET", path="/bulk-jobs/{id}", who="user", handler=look, answer=BulkJobView, is_polled=True, errors=_NONE
    ),
    ApiRoute(
        method="GET",
        path="/bulk-jobs/{id}/items",
        who="user",
        handler=items,
        query=ItemsAsked,
        answer=ItemPage,
        errors=_NONE,
    ),
    ApiRoute(
        method="GET",
        path="/bulk-jobs/{id}/download",
        who="user",
        handler=download,
        query=DownloadAsked,
        answer=Download,
        errors={**_NONE, 409: "There is no such file, or not yet."},
    ),
    *(
        ApiRoute(
            method="POST",
            path=f"/bulk-jobs/{{id}}/{handler.__name__}",
            who="user",
            handler=handler,
            body=body,
            answer=WishAccepted,
            status=202,
            errors=_NOT_NOW,
        )
        for handler, body in _WISHES
    ),
)
