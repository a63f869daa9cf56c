"""`storage.rules`, as far as that can be seen without Cloud Storage.

Google's interpreter of these rules is a part of the Firebase CLI's storage emulator, and cannot be had from a package
registry. Firestore's emulator has the same language and the same verbs, but other names for what is asked about. So
the file is compiled there as it is, and then evaluated with three names exchanged: the service, the root, and where
the properties of an upload are. This shows what the conditions mean, both ways. It does not show how Cloud Storage
calls them. By its documentation an upload is a `create`, also over an object, and an `update` changes properties alone
(https://firebase.google.com/docs/storage/security/core-syntax).
"""

import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from local.errors import StackError
from local.part import ROOT
from local.rules import put_rules
from local.tokens import unsigned_token
from tests.rules.test_rules import ALLOWED, DENIED, coverage_of, values
from tests.support.patience import PATIENCE_SECONDS

SOURCE = (ROOT / "storage.rules").read_text()
AS_FIRESTORE_CALLS_IT = {
    "service firebase.storage": "service cloud.firestore",
    "/b/{bucket}/o": "/databases/{database}/documents",
    "isImage(request.resource)": "isImage(request.resource.data)",
    "isSource(request.resource)": "isSource(request.resource.data)",
    "isVideo(request.resource)": "isVideo(request.resource.data)",
}
MOST_BYTES = 20 * 1024 * 1024
# A document lies at an even depth, hence the folder.
OWN, OWN_NEW, ELSEWHERE = "users/alice/photos/old.png", "users/alice/photos/new.png", "photos/new.png"
MOST_VIDEO_BYTES = 100 * 1024 * 1024
PNG = {"contentType": "image/png", "size": 70_000}
SOURCE_NEW, MOST_SOURCE_BYTES = "users/alice/bulk/new.csv", 100 * 1024 * 1024
CSV = {"contentType": "text/csv", "size": 70_000}
PLAIN = {**PNG, "contentEncoding": "identity"}
MP4 = {"contentType": "video/mp4", "size": 7_000_000}
CALLERS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "Alice": ("alice", {}),
    "another user": ("bob", {}),
    "a visitor": None,
    "an admin": ("root", {"admin": True}),
    "a forger": ("bob", {"user_id": "alice", "admin": True, "role": "owner"}),
    "a token without a user": ("", {}),
}
STRANGERS = [name for name in CALLERS if name != "Alice"]


class Uploads:
    """The emulator's database in the part of a bucket: a document is an object, its fields are the properties."""

    def __init__(self, client: httpx.AsyncClient, project: str) -> None:
        self._client = client
        self._project = project
        self._emulator = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}"
        self._documents = f"{self._emulator}/v1/projects/{project}/databases/(default)/documents"

    async def compile(self, rules: str) -> dict[str, Any]:
        """Take these rules; returns the compiler's words about them."""
        firestore = os.environ["FIRESTORE_EMULATOR_HOST"]
        return await put_rules(self._client, firestore, self._project, "storage.rules", rules)

    async def ask(self, caller: str, method: str, path: str, upload: dict[str, Any] | None = None) -> int:
        """Ask as the caller; returns the status code. A PATCH writes whether or not there is something."""
        who = CALLERS[caller]
        token = who and unsigned_token(self._project, who[0], **who[1])
        return await self._send(token, method, path, upload)

    async def reset(self) -> None:
        """One object of Alice's, and nothing else."""
        for path in (OWN_NEW, SOURCE_NEW, ELSEWHERE, "users/alice"):
            await self._send("owner", "DELETE", path)
        assert await self._send("owner", "PATCH", OWN, PNG) == ALLOWED

    async def coverage(self) -> dict[str, Any]:
        """As `coverage_of`."""
        return await coverage_of(self._client, self._project)

    async def _send(self, token: str | None, method: str, path: str, upload: dict[str, Any] | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        kinds = {str: "stringValue", int: "integerValue", type(None): "nullValue"}
        fields = {name: {kinds[type(content)]: content} for name, content in (upload or {}).items()}
        body = {"fields": fields} if upload is not None else None
        answer = await self._client.request(method, f"{self._documents}/{path}", headers=headers, json=body)
        return answer.status_code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bucket() -> AsyncIterator[Uploads]:
    """A project of its own, with the rules as Firestore can evaluate them."""
    rules = SOURCE
    for ours, theirs in AS_FIRESTORE_CALLS_IT.items():
        assert rules.count(ours) == 1
        rules = rules.replace(ours, theirs)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        uploads = Uploads(client, f"test-{secrets.token_hex(6)}")
        assert await uploads.compile(rules) == {}
        yield uploads


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_file_compiles_without_a_word(bucket: Uploads) -> None:
    """As it is deployed; a function that does not exist would be a warning, and a slip in the grammar an error."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        as_it_is = Uploads(client, f"test-{secrets.token_hex(6)}")
        assert await as_it_is.compile(SOURCE) == {}
        assert "Invalid function name" in str(await as_it_is.compile(SOURCE.replace("isImage(r", "isPicture(r")))
        with pytest.raises(StackError):
            await as_it_is.compile(SOURCE.replace("&&", "&& &&"))


async def test_a_user_uploads_and_sees_an_image_of_its_own(bucket: Uploads) -> None:
    """In its own folder."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN_NEW, PNG) == ALLOWED
    assert await bucket.ask("Alice", "GET", OWN_NEW) == ALLOWED


@pytest.mark.parametrize("content_type", ["video/mp4", "video/quicktime", "video/webm"])
@pytest.mark.parametrize("size", [1, MOST_VIDEO_BYTES])
async def test_every_kind_and_size_of_video_is_taken(bucket: Uploads, content_type: str, size: int) -> None:
    """Up to what the provider fetches."""
    await bucket.reset()
    assert await bucket.ask("Alice", "PATCH", OWN_NEW, {"contentType": content_type, "size": size}) == ALLOWED


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/webp", "image/gif"])
@pytest.mark.parametrize("size", [1, MOST_BYTES])
async def test_every_kind_and_size_that_the_provider_reads_is_taken(
    bucket: Uploads, content_type: str, size: int
) -> None:
    """From one byte to 20 MiB."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN_NEW, {"contentType": content_type, "size": size}) == ALLOWED


@pytest.mark.parametrize("encoding", ["identity", "", None])
async def test_an_upload_that_is_stored_as_it_is_is_taken(bucket: Uploads, encoding: str | None) -> None:
    """However Firebase says so; without a word, too, as in the tests above."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN_NEW, PNG | {"contentEncoding": encoding}) == ALLOWED


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", " ", 0])
async def test_an_encoded_upload_is_refused(bucket: Uploads, encoding: Any) -> None:
    """An image that is decoded on its way to the provider has not been checked."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN_NEW, PNG | {"contentEncoding": encoding}) == DENIED


@pytest.mark.parametrize(
    "upload",
    [
        {"contentType": "image/svg+xml", "size": 1},
        {"contentType": "image/heic", "size": 1},
        {"contentType": "image/", "size": 1},
        {"contentType": "image/png; charset=utf-8", "size": 1},
        {"contentType": "video/mp4", "size": 0},
        {"contentType": "video/mp4", "size": MOST_VIDEO_BYTES + 1},
        {"contentType": "video/mp4", "size": 1, "contentEncoding": "gzip"},
        {"contentType": "video/x-msvideo", "size": 1},
        {"contentType": "text/html", "size": 1},
        {"contentType": "text/html;image/png", "size": 1},
        {"contentType": "application/octet-stream", "size": 1},
        {"contentType": "", "size": 1},
        {"size": 1},
        {"contentType": "image/png", "size": 0},
        {"contentType": "image/png", "size": MOST_BYTES + 1},
        {"contentType": "image/png"},
    ],
    ids=str,
)
async def test_what_is_no_image_or_too_large_is_refused(bucket: Uploads, upload: dict[str, Any]) -> None:
    """By the type that the client gives it; and nothing is not an image either."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN_NEW, upload) == DENIED


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "text/csv;charset=utf-8",
        "text/csv; charset=UTF-8",
        "text/tab-separated-values",
        "text/plain",
        "application/json",
        "application/jsonl",
        "application/x-ndjson",
        "application/vnd.ms-excel",
    ],
)
async def test_a_source_of_a_bulk_job_is_taken_below_bulk_and_nowhere_else(bucket: Uploads, content_type: str) -> None:
    """By each name that a browser has for CSV or JSONL; of one byte to 100 MiB. A photo may lie there, too."""
    await bucket.reset()

    for size in (1, MOST_SOURCE_BYTES):
        upload = {"contentType": content_type, "size": size}
        assert await bucket.ask("Alice", "PATCH", SOURCE_NEW, upload) == ALLOWED
        await bucket.reset()
        assert await bucket.ask("Alice", "PATCH", OWN_NEW, upload) == DENIED
    assert await bucket.ask("Alice", "PATCH", SOURCE_NEW, PNG) == ALLOWED


@pytest.mark.parametrize(
    "upload",
    [
        {"contentType": "text/html"},
        {"contentType": "text/html; charset=utf-8"},
        {"contentType": "image/svg+xml"},
        {"contentType": "text/csv, text/html"},
        {"contentType": "text/csv; charset=utf-8; x"},
        {"contentType": "application/octet-stream"},
        {"contentType": "application/vndxms-excel2"},
        {"contentType": "application/zip"},
        {"contentType": ""},
        {"contentType": None},
        {"size": 0},
        {"size": MOST_SOURCE_BYTES + 1},
        {"contentEncoding": "gzip"},
        {"contentType": "image/png", "size": MOST_BYTES + 1},
    ],
    ids=str,
)
async def test_what_is_no_source_or_too_large_is_refused_below_bulk(bucket: Uploads, upload: dict[str, Any]) -> None:
    """What a browser would run, what is compressed, and more than 100 MiB."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", SOURCE_NEW, CSV | upload) == DENIED


@pytest.mark.parametrize("caller", STRANGERS)
async def test_no_other_caller_uploads_or_reads_a_source(bucket: Uploads, caller: str) -> None:
    """Nor does Alice upload one into another user's folder, or change one of hers."""
    await bucket.reset()

    assert await bucket.ask(caller, "PATCH", SOURCE_NEW, CSV) == DENIED
    assert await bucket.ask("Alice", "PATCH", "users/bob/bulk/new.csv", CSV) == DENIED
    assert await bucket.ask("Alice", "PATCH", SOURCE_NEW, CSV) == ALLOWED
    assert await bucket.ask(caller, "GET", SOURCE_NEW) == DENIED
    assert await bucket.ask("Alice", "PATCH", SOURCE_NEW, CSV | {"size": 1}) == DENIED
    assert await bucket.ask("Alice", "DELETE", SOURCE_NEW) == DENIED


@pytest.mark.parametrize("caller", STRANGERS)
async def test_no_other_caller_does_anything_in_a_users_folder(bucket: Uploads, caller: str) -> None:
    """Neither see, list, upload, overwrite nor delete, whatever the token claims."""
    await bucket.reset()

    for method, path in (("GET", OWN), ("GET", "users/alice/photos"), ("DELETE", OWN)):
        assert await bucket.ask(caller, method, path) == DENIED
    for path in (OWN, OWN_NEW):
        assert await bucket.ask(caller, "PATCH", path, PNG) == DENIED


async def test_a_user_neither_changes_deletes_nor_lists_what_is_its_own(bucket: Uploads) -> None:
    """Neither its properties are changed; an upload over it is another matter, and the functions' own."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", OWN, PNG | {"size": 1}) == DENIED
    assert await bucket.ask("Alice", "DELETE", OWN) == DENIED
    assert await bucket.ask("Alice", "GET", "users/alice/photos") == DENIED
    assert await bucket.ask("Alice", "GET", OWN) == ALLOWED


@pytest.mark.parametrize("path", [ELSEWHERE, "users/bob/photos/new.png", "batches/one", "users/ALICE/photos/new.png"])
async def test_outside_its_own_folder_a_user_does_nothing(bucket: Uploads, path: str) -> None:
    """Only the folder that has the user's id, to the letter, is open."""
    await bucket.reset()

    assert await bucket.ask("Alice", "PATCH", path, PNG) == DENIED
    assert await bucket.ask("Alice", "GET", path) == DENIED
    assert await bucket.ask("Alice", "DELETE", path) == DENIED


async def test_these_asks_evaluate_every_expression_both_ways(bucket: Uploads) -> None:
    """By the emulator's own record, after the few asks that it takes."""
    await bucket.reset()
    wrong = ({"contentType": "text/html"}, {"size": 0}, {"size": MOST_BYTES + 1}, {"contentEncoding": "gzip"})
    large = {"size": MOST_VIDEO_BYTES + 1}
    for upload in (
        *({**PNG, **part} for part in wrong),
        *({**MP4, **part} for part in (*wrong, large)),
        PNG,
        MP4,
        PLAIN,
    ):
        await bucket.reset()
        await bucket.ask("Alice", "PATCH", OWN_NEW, upload)
    for upload in (*({**CSV, **part} for part in (*wrong, {"size": MOST_SOURCE_BYTES + 1})), CSV):
        await bucket.reset()
        await bucket.ask("Alice", "PATCH", SOURCE_NEW, upload)
    for caller in CALLERS:
        await bucket.ask(caller, "GET", OWN)
        await bucket.ask(caller, "PATCH", OWN_NEW, PNG)
        await bucket.ask(caller, "PATCH", SOURCE_NEW, CSV)

    seen: defaultdict[tuple[int, int], set[Any]] = defaultdict(set)
    for start, end, found in values((await bucket.coverage())["report"]):
        seen[start, end] |= set(found)

    assert seen
    assert not [place for place, found in seen.items() if not found or len({True, False} & found) == 1]
