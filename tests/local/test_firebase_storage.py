"""Cloud Storage for Firebase on this computer: what the SDKs send, and storage.rules, evaluated."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from local.cloud import create_bucket
from local.errors import StackError
from local.firebase.serving import FirebaseAddresses, running_firebase
from local.firebase.storage_rules import as_firestore_calls_it
from local.part import ROOT
from local.ports import HOST, lan_address
from local.tokens import unsigned_token
from tests.support.patience import PATIENCE_SECONDS

PNG = b"\x89PNG\r\n\x1a\n--boundary\r\n\x00\xff"
OWN = "users/alice/photo 1.png"


class Phone:
    """One user's SDK; `uid` None = no user is signed in."""

    def __init__(self, client: httpx.AsyncClient, url: str, project: str, bucket: str, uid: str | None) -> None:
        self._client = client
        self.bucket = bucket
        self.objects = f"{url}/v0/b/{bucket}/o"
        token = unsigned_token(project, uid) if uid else None
        self._headers = {"Authorization": f"Firebase {token}"} if token else {}

    async def ask(self, method: str, path: str, *, name: str = "", **options: Any) -> httpx.Response:
        """A request about the object `name`."""
        headers = self._headers | options.pop("headers", {})
        url = f"{self.objects}/{quoted(name)}{path}" if name else f"{self.objects}{path}"
        return await self._client.request(method, url, headers=headers, **options)

    async def upload(self, name: str, content: bytes = PNG, **properties: Any) -> httpx.Response:
        """Everything in one request, as `uploadBytes` sends it."""
        properties = {"contentType": "image/png"} | properties
        head = (
            f"--bound\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{json.dumps(properties)}\r\n--bound\r\n"
        )
        body = f"{head}Content-Type: {properties['contentType']}\r\n\r\n".encode() + content + b"\r\n--bound--"
        headers = {"X-Goog-Upload-Protocol": "multipart", "Content-Type": "multipart/related; boundary=bound"}
        return await self.ask("POST", "", params={"name": name}, content=body, headers=headers)


class Bucket:
    """A running service with a bucket of its own."""

    def __init__(self, client: httpx.AsyncClient, url: str, project: str, bucket: str) -> None:
        self._rest = (client, url, project, bucket)

    def phone(self, uid: str | None) -> Phone:
        """The app of a user."""
        return Phone(*self._rest, uid)

    def seen_by_the_functions(self, name: str) -> bytes:
        """The object as Google's own client reads it."""
        client = Client(project=self._rest[2], credentials=AnonymousCredentials())
        content: bytes = client.bucket(self._rest[3]).blob(name).download_as_bytes()
        return content


@pytest_asyncio.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    """Served with this repository's rules."""
    async with serving_with(ROOT / "storage.rules", []) as served:
        yield served


def serving_with(rules: Path, said: list[str]) -> Any:
    """A service with these rules."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def served() -> AsyncIterator[Bucket]:
        project = f"test-{secrets.token_hex(6)}"
        name = f"{project}.firebasestorage.app"
        storage_url = os.environ["STORAGE_EMULATOR_HOST"]
        addresses = FirebaseAddresses.choose(standard=False)
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            await create_bucket(client, storage_url.removeprefix("http://"), project, name)
            running = running_firebase(
                addresses,
                project=project,
                firestore=os.environ["FIRESTORE_EMULATOR_HOST"],
                storage_url=storage_url,
                rules=rules,
                say=said.append,
            )
            async with running:
                yield Bucket(client, f"http://{addresses.storage}", project, name)

    return served()


def quoted(name: str) -> str:
    """An object's name as the SDKs put it into an address."""
    return name.replace("/", "%2F").replace(" ", "%20")


async def test_an_upload_in_one_request_is_there_for_its_user_and_for_the_functions(bucket: Bucket) -> None:
    """Byte by byte, also where the content looks like the end of a part; a link with the token needs no sign-in."""
    alice = bucket.phone("alice")

    stored = (await alice.upload(OWN, cacheControl="private", metadata={"camera": "old"})).raise_for_status().json()

    assert (stored["name"], stored["size"], stored["contentType"]) == (OWN, str(len(PNG)), "image/png")
    assert (stored["metadata"], stored["cacheControl"]) == ({"camera": "old"}, "private")
    assert await asyncio.to_thread(bucket.seen_by_the_functions, OWN) == PNG
    assert (await alice.ask("GET", "", name=OWN)).json() == stored
    content = await alice.ask("GET", "?alt=media", name=OWN)
    assert (content.content, content.headers["content-type"]) == (PNG, "image/png")
    part = await alice.ask("GET", "?alt=media", name=OWN, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    link = f"?alt=media&token={stored['downloadTokens']}"
    assert (await bucket.phone(None).ask("GET", link, name=OWN)).content == PNG
    assert (await bucket.phone(None).ask("GET", "?alt=media&token=", name=OWN)).status_code == 403


async def test_an_upload_in_pieces_goes_on_where_it_was_broken_off(bucket: Bucket) -> None:
    """As a phone sends it: it asks how far the upload came, sends a piece twice, and ends with the last."""
    alice = bucket.phone("alice")
    begun = await alice.ask(
        "POST",
        "",
        params={"name": OWN},
        json={"contentType": "image/png"},
        headers={"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"},
    )
    url = begun.headers["x-goog-upload-url"]
    assert begun.headers["x-goog-upload-status"] == "active"

    async def send(command: str, content: bytes = b"", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            return await client.post(url, content=content, headers={"X-Goog-Upload-Command": command, **headers})

    for _ in range(2):
        await send("upload", PNG[:5], **{"X-Goog-Upload-Offset": "0"})
    assert (await send("query")).headers["x-goog-upload-size-received"] == "5"
    over = await send("upload, finalize", PNG[5:], **{"X-Goog-Upload-Offset": "5"})

    assert over.headers["x-goog-upload-status"] == "final"
    assert over.json()["name"] == OWN
    assert await asyncio.to_thread(bucket.seen_by_the_functions, OWN) == PNG
    assert (await send("query")).status_code == 404


@pytest.mark.parametrize(
    ("uid", "name", "content_type", "content"),
    [
        (None, OWN, "image/png", PNG),
        ("bob", OWN, "image/png", PNG),
        ("alice", "users/bob/photo.png", "image/png", PNG),
        ("alice", "photo.png", "image/png", PNG),
        ("alice", OWN, "image/svg+xml", PNG),
        ("alice", OWN, "image/png", b""),
        ("alice", "users/alice//photo.png", "image/png", PNG),
    ],
    ids=["visitor", "stranger", "elsewhere", "at the top", "no photo", "empty", "empty part"],
)
async def test_what_storage_rules_deny_is_denied_here(
    bucket: Bucket, uid: str | None, name: str, content_type: str, content: bytes
) -> None:
    """By the same file that is deployed; nothing is stored."""
    denied = await bucket.phone(uid).upload(name, content, contentType=content_type)

    assert denied.status_code == 403
    assert (await bucket.phone("alice").ask("GET", "", name=OWN)).status_code == 404


async def test_names_of_every_depth_are_evaluated(bucket: Bucket) -> None:
    """Odd and even numbers of parts; strangers neither see nor delete, users neither change, delete nor list."""
    alice, bob = bucket.phone("alice"), bucket.phone("bob")
    for name in ("users/alice/a.png", "users/alice/b/c.png", "users/alice/b/c/d.png"):
        assert (await alice.upload(name)).status_code == 200
        assert (await alice.ask("GET", "", name=name)).status_code == 200
        for phone in (bob, bucket.phone(None)):
            assert (await phone.ask("GET", "", name=name)).status_code == 403
        for phone in (alice, bob):
            assert (await phone.ask("DELETE", "", name=name)).status_code == 403
            assert (await phone.ask("PATCH", "", name=name, json={"contentType": "a/b"})).status_code == 403
    assert (await alice.ask("GET", "", params={"prefix": "users/alice/"})).status_code == 403


async def test_rules_of_other_apps_are_evaluated_too(tmp_path: Path) -> None:
    """Properties of the object that exists and of the one that is written, in `update`, `delete` and `get`."""
    (tmp_path / "storage.rules").write_text("""
        rules_version = '2';
        service firebase.storage {
          match /b/{bucket}/o {
            match /albums/{album}/{photo} {
              allow create: if request.resource.metadata.owner == request.auth.uid && resource == null;
              allow get, delete: if resource.metadata.owner == request.auth.uid && bucket.size() > 0;
              allow update: if resource.contentType == request.resource.contentType;
            }
          }
        }""")
    said: list[str] = []
    async with serving_with(tmp_path / "storage.rules", said) as bucket:
        alice, bob, name = bucket.phone("alice"), bucket.phone("bob"), "albums/one/a.png"
        assert (await bob.upload(name, metadata={"owner": "alice"})).status_code == 403
        assert (await alice.upload(name, metadata={"owner": "alice"})).status_code == 200
        assert (await bob.ask("GET", "", name=name)).status_code == 403
        assert (await bob.ask("PATCH", "", name=name, json={"contentType": "image/gif"})).status_code == 403
        changed = await bob.ask(
            "PUT", "", name=name, json={"metadata": {"mood": "blue"}}, headers={"X-HTTP-Method-Override": "PATCH"}
        )
        assert changed.json()["metadata"] == {"owner": "alice", "mood": "blue"}
        assert (await bob.ask("DELETE", "", name=name)).status_code == 403
        assert (await alice.ask("DELETE", "", name=name)).status_code == 204
        assert (await alice.ask("GET", "", name=name)).status_code == 403
    assert said == []


async def test_rules_that_cannot_be_evaluated_are_said_and_deny_nothing(tmp_path: Path) -> None:
    """Those that ask Firestore; the sentence has the compiler's words."""
    rules = (ROOT / "storage.rules").read_text().replace("isImage(r", "firestore.exists(/a/b) && isImage(r")
    (tmp_path / "storage.rules").write_text(rules)
    said: list[str] = []
    async with serving_with(tmp_path / "storage.rules", said) as bucket:
        assert (await bucket.phone(None).upload(OWN)).status_code == 200
    assert len(said) == 1
    assert said[0].startswith("storage.rules cannot be evaluated here")
    with pytest.raises(StackError):
        as_firestore_calls_it("service cloud.firestore {}", "b/{bucket}")


async def test_a_phone_in_the_network_reaches_it_only_when_that_was_asked_for(tmp_path: Path) -> None:
    """Else it listens on the loopback alone."""
    network = lan_address()
    if network == HOST:
        pytest.skip("this computer has no network")
    for lan in (False, True):
        addresses = FirebaseAddresses.choose(standard=False)
        running = running_firebase(
            addresses, project="p", firestore="", storage_url="", rules=tmp_path / "none", lan=lan, say=print
        )
        async with running, httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            for address in (addresses.auth, addresses.storage):
                assert (await client.get(f"http://{address}/")).is_success
                url = f"http://{network}:{address.rpartition(':')[2]}/"
                if lan:
                    assert (await client.get(url)).is_success
                else:
                    with pytest.raises(httpx.ConnectError):
                        await client.get(url)


async def test_the_owner_may_do_everything(bucket: Bucket) -> None:
    """As the Admin SDK does at every emulator, listing included."""
    owner = {"Authorization": "Bearer owner"}
    await bucket.phone("alice").upload(OWN)
    visitor = bucket.phone(None)
    listed = (await visitor.ask("GET", "", params={"prefix": "users/alice/"}, headers=owner)).json()
    assert [one["name"] for one in listed["items"]] == [OWN]
    assert (await visitor.ask("DELETE", "", name=OWN, headers=owner)).status_code == 204
