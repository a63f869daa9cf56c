"""Cloud Storage for Firebase over HTTP, as its SDKs call it: `/v0/b/BUCKET/o/NAME`.

There is no public reference of this protocol; the SDKs are open source, and what they send is what counts:
https://github.com/firebase/firebase-js-sdk/blob/main/packages/storage/src/implementation/requests.ts.
"""

from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.firebase.errors import FirebaseError
from local.firebase.storage_objects import TOKENS, Objects, as_rules_see_it, settable, shown
from local.firebase.storage_rules import StorageRules, Verb
from local.firebase.storage_uploads import Upload, Uploads, both_parts
from local.firebase.web import build_app, is_owner, read_object

_OWNER: Final = "Bearer owner"
_OCTETS: Final = "application/octet-stream"


class StorageRoutes:
    """`app` serves the objects; without `rules` everybody may do everything."""

    def __init__(self, objects: Objects, rules: StorageRules | None) -> None:
        self._objects = objects
        self._rules = rules
        self._uploads = Uploads()

    @property
    def app(self) -> Starlette:
        """The ASGI app."""
        one, many = "/v0/b/{bucket}/o/{name:path}", "/v0/b/{bucket}/o"
        return build_app(
            [
                Route("/", self._ready, methods=["GET"]),
                Route(one, self._get, methods=["GET"]),
                Route(one, self._patch, methods=["PATCH"]),
                Route(one, self._delete, methods=["DELETE"]),
                Route(one, self._post, methods=["POST", "PUT"]),
                Route(many, self._list, methods=["GET"]),
                Route(many, self._post, methods=["POST", "PUT"]),
            ]
        )

    async def _ready(self, _request: Request) -> Response:
        return JSONResponse({"emulator": "storage"})

    async def _get(self, request: Request) -> Response:
        bucket, name = _address(request)
        there = await self._objects.find(bucket, name)
        tokens = (there or {}).get("metadata", {}).get(TOKENS, "").split(",")
        if request.query_params.get("token") not in tokens:
            await self._check("get", request.headers.get("authorization"), bucket, name, there)
        if there is None:
            raise FirebaseError("Not Found.", 404)
        if request.query_params.get("alt") != "media":
            return JSONResponse(shown(there))
        content = await self._objects.read(bucket, name, request.headers.get("range"))
        headers = {"Accept-Ranges": "bytes", "Content-Type": there.get("contentType") or _OCTETS}
        for header, key in (("Content-Disposition", "contentDisposition"), ("Cache-Control", "cacheControl")):
            if there.get(key):
                headers[header] = there[key]
        if content_range := content.headers.get("content-range"):
            headers["Content-Range"] = content_range
        return Response(content.content, content.status_code, headers)

    async def _list(self, request: Request) -> Response:
        if not is_owner(request) and self._rules:
            raise FirebaseError("Permission denied. The local stack does not evaluate `list` of storage.rules.", 403)
        page = await self._objects.list(request.path_params["bucket"], request.query_params)
        items = [{"name": one["name"], "bucket": one["bucket"]} for one in page.get("items", [])]
        token = {"nextPageToken": page["nextPageToken"]} if page.get("nextPageToken") else {}
        return JSONResponse({"prefixes": page.get("prefixes", []), "items": items} | token)

    async def _patch(self, request: Request) -> Response:
        bucket, name = _address(request)
        there = await self._objects.find(bucket, name)
        changed = settable(await read_object(request))
        after = {**(there or {}), **changed}
        await self._check("update", request.headers.get("authorization"), bucket, name, there, after)
        if there is None:
            raise FirebaseError("Not Found.", 404)
        if "metadata" in changed:
            custom = {**there.get("metadata", {}), **changed["metadata"]}
            changed["metadata"] = {key: value for key, value in custom.items() if value is not None}
        return JSONResponse(shown(await self._objects.update(bucket, name, changed)))

    async def _delete(self, request: Request) -> Response:
        bucket, name = _address(request)
        there = await self._objects.find(bucket, name)
        await self._check("delete", request.headers.get("authorization"), bucket, name, there)
        if there is None:
            raise FirebaseError("Not Found.", 404)
        await self._objects.delete(bucket, name)
        return Response(status_code=204)

    async def _post(self, request: Request) -> Response:
        # Android's SDK cannot send PATCH.
        if request.headers.get("x-http-method-override", "").upper() == "PATCH":
            return await self._patch(request)
        command = request.headers.get("x-goog-upload-command", "")
        upload_id = request.query_params.get("upload_id")
        if upload_id:
            return await self._go_on(request, upload_id, command)
        authorization = request.headers.get("authorization")
        bucket, name = _address(request)
        if request.headers.get("x-goog-upload-protocol") == "multipart":
            properties, content = both_parts(request.headers.get("content-type", ""), await request.body())
            return await self._finish(Upload(bucket, name, properties, authorization, bytearray(content)))
        if command != "start":
            raise FirebaseError("An upload is multipart, or begins with the command `start`.")
        properties = await read_object(request)
        if content_type := request.headers.get("x-goog-upload-header-content-type"):
            properties.setdefault("contentType", content_type)
        new_id = self._uploads.begin(Upload(bucket, name, properties, authorization))
        # By the name under which the app knows this computer: to Android's emulator it is 10.0.2.2.
        url = request.url.include_query_params(name=name, upload_id=new_id, upload_protocol="resumable")
        headers = {"x-goog-upload-url": str(url), "x-goog-upload-control-url": str(url)}
        return _state(headers | {"x-goog-upload-status": "active", "x-goog-upload-chunk-granularity": "262144"})

    async def _go_on(self, request: Request, upload_id: str, command: str) -> Response:
        upload = self._uploads.find(upload_id)
        if command == "query":
            received = {"x-goog-upload-size-received": str(len(upload.content))}
            return _state(received | {"x-goog-upload-status": "active"})
        if command == "cancel":
            self._uploads.end(upload_id)
            return _state({"x-goog-upload-status": "cancelled"})
        if "upload" in command:
            offset = int(request.headers.get("x-goog-upload-offset", len(upload.content)))
            if offset > len(upload.content):
                raise FirebaseError("The upload lacks the bytes before this offset.")
            # A piece whose answer was lost comes again.
            upload.content[offset:] = await request.body()
        if "finalize" not in command:
            return _state({"x-goog-upload-status": "active"})
        return await self._finish(self._uploads.end(upload_id))

    async def _finish(self, upload: Upload) -> Response:
        properties = settable(upload.properties)
        properties.setdefault("contentType", _OCTETS)
        await self._check("create", upload.authorization, upload.bucket, upload.name, None, properties, upload)
        stored = await self._objects.create(upload.bucket, upload.name, properties, bytes(upload.content))
        return JSONResponse(shown(stored), headers={"x-goog-upload-status": "final"})

    async def _check(
        self,
        verb: Verb,
        authorization: str | None,
        bucket: str,
        name: str,
        there: dict[str, Any] | None,
        written: dict[str, Any] | None = None,
        upload: Upload | None = None,
    ) -> None:
        if self._rules is None or (authorization or "").lower() == _OWNER.lower():
            return
        size = len(upload.content) if upload else int((there or {}).get("size", 0))
        seen = [
            None if one is None else as_rules_see_it(one, bucket=bucket, name=name, size=size)
            for one in (there, written)
        ]
        if not await self._rules.allow(verb, bucket, name, authorization, there=seen[0], written=seen[1]):
            raise FirebaseError(f"Permission denied. storage.rules do not allow `{verb}` here.", 403)


def _address(request: Request) -> tuple[str, str]:
    """The bucket and the object's name, which is a part of the path, or with uploads a parameter."""
    name = request.path_params.get("name") or request.query_params.get("name")
    if not name:
        raise FirebaseError("The object has no name.")
    return request.path_params["bucket"], name


def _state(headers: dict[str, str]) -> Response:
    return Response(headers=headers)
