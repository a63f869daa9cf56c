"""`/v1/files`: upload, list, retrieve, download and delete.

The multipart parser spools an upload to disk beyond a megabyte, and the download is streamed from disk,
with ranges: so a client that was cut off can resume.
"""

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from local.provider_server.arguments import check_expiry, refuse_unknown, require_choice
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.faults import Faults
from local.provider_server.files import UPLOAD_PURPOSES, FileStore
from local.provider_server.paging import page, read_limit

FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
MAX_LIMIT = 10_000


class FileRoutes:
    """The file endpoints of one server; `max_batch_bytes` bounds uploads with purpose `batch`."""

    def __init__(self, files: FileStore, faults: Faults, max_batch_bytes: int) -> None:
        self._files = files
        self._faults = faults
        self._max_batch_bytes = max_batch_bytes

    async def create(self, request: Request) -> Response:
        """Store an upload."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise ApiError(400, "The request must be multipart/form-data.", code="invalid_content_type")
        async with request.form(max_files=1, max_fields=10) as form:
            refuse_unknown(dict(form), FIELDS)
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise ApiError(400, "'file' is a required property.", param="file", code="missing_required_parameter")
            filename = upload.filename or "upload"
            purpose = require_choice(dict(form), "purpose", UPLOAD_PURPOSES)
            expires_after = check_expiry(_expiry_policy(form), "expires_after")
            if purpose == "batch" and not filename.endswith(".jsonl"):
                raise ApiError(400, "Invalid file format for Batch API. Must be .jsonl", param="file")
            if purpose == "batch" and (upload.size or 0) > self._max_batch_bytes:
                raise ApiError(400, "File is too large.", param="file")
            fault = self._faults.take_file()
            stored = await self._files.save(
                upload.file,
                filename=filename,
                purpose=purpose,
                expires_after_seconds=expires_after,
                hidden_reads=0 if fault is None else fault.hidden_reads,
            )
        return JSONResponse(stored.as_json())

    async def listing(self, request: Request) -> Response:
        """Files of a purpose or all, newest first unless `order=asc`."""
        query = request.query_params
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise ApiError(400, "Invalid 'order': must be 'asc' or 'desc'.", param="order", code="invalid_value")
        limit = read_limit(request, MAX_LIMIT, MAX_LIMIT)
        found, has_more = page(self._files.listing(query.get("purpose"), order), query.get("after"), limit)
        return JSONResponse(
            {
                "object": "list",
                "data": [stored.as_json() for stored in found],
                "has_more": has_more,
                # The published schema requires both as strings, also of an empty list.
                "first_id": found[0].id if found else "",
                "last_id": found[-1].id if found else "",
            }
        )

    async def retrieve(self, request: Request) -> Response:
        """One file's description."""
        return JSONResponse(self._files.get(request.path_params["file_id"]).as_json())

    async def content(self, request: Request) -> Response:
        """One file's bytes, whole or the range that is asked for."""
        stored = self._files.get(request.path_params["file_id"])
        return FileResponse(stored.path, filename=stored.filename, media_type="application/octet-stream")

    async def delete(self, request: Request) -> Response:
        """Remove one file."""
        file_id = request.path_params["file_id"]
        self._files.delete(file_id)
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})


def _expiry_policy(form: FormData) -> JsonObject | None:
    """The two form fields of an expiration policy as the object that they stand for."""
    policy: JsonObject = {}
    if "expires_after[anchor]" in form:
        policy["anchor"] = form["expires_after[anchor]"]
    if "expires_after[seconds]" in form:
        seconds = str(form["expires_after[seconds]"])
        policy["seconds"] = int(seconds) if seconds.isascii() and seconds.isdigit() else seconds
    return policy or None
