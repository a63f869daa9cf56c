"""The signed addresses of uploads: what they open, how long, and how they are withdrawn.

No emulator of Cloud Storage verifies a signature. What stands in for it here reads requests from the wire, by the
algorithm that Google publishes (`tests/support/storage_reader.py`). That reading is itself compared with what Google's
own library signs, and the derivation of the key with the published example of the same chain.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials, Signing
from google.cloud import storage
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.batches import poll
from nightshift.images.signing import chained, signed_address
from nightshift.images.uploads import ADDRESS_LIFETIME
from nightshift.providers.registry import TRAITS
from tests.support.promises import assert_promises_kept
from tests.support.storage_reader import HOST, StorageReader, string_to_sign
from tests.support.world import PNG, World

BUCKET = "app.firebasestorage.app"
ACCESS_ID = "GOOG1EXAMPLE" + "A" * 49
SECRET = "bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ"
KEY = SecretStr(f"{ACCESS_ID}:{SECRET}")
NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)
GENERATION = 1_700_000_000_000_001
# What an app may upload, by the grammar of `own_object`.
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters="%\\?#"),
    min_size=1,
    max_size=40,
)


class Recorder(AnonymousCredentials, Signing):
    """Credentials that keep what Google's library would have signed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    signed = ""
    signer = None
    signer_email = ACCESS_ID

    def sign_bytes(self, message: bytes) -> bytes:
        """Keep it."""
        self.signed = message.decode()
        return b"a signature"


@asynccontextmanager
async def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StorageReader]:
    """Have the functions sign by a key, as they do where nothing tells them that Cloud Storage is an emulator."""
    emulator = os.environ["STORAGE_EMULATOR_HOST"]
    monkeypatch.setattr(google.auth, "default", lambda *_, **__: (AnonymousCredentials(), world.project))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    world.set_env(API_ENDPOINT_OVERRIDE=emulator, IMAGE_SIGNING_KEY=KEY.get_secret_value())
    async with StorageReader(emulator, world.now).running() as reader:
        reader.keys[ACCESS_ID] = SECRET
        yield reader


async def addresses(world: World) -> list[str]:
    """The images' addresses in the batches' input files, the oldest batch first."""
    found = []
    for batch in await world.batches():
        for line in (await world.artifact(batch["id"], "input.jsonl")).splitlines():
            content: list[dict[str, Any]] = json.loads(line)["body"]["messages"][-1]["content"]
            found += [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return found


def test_the_key_is_derived_as_in_the_published_example() -> None:
    """Google's chain is AWS's with other words: https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html."""
    secret = "AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    derived = chained(secret, "20120215", "us-east-1", "iam", "aws4_request")
    assert derived.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


@given(NAMES, st.sampled_from([None, GENERATION]))
def test_an_address_is_the_one_that_googles_library_makes(name: str, generation: int | None) -> None:
    """But for the algorithm and the signature: the path, every parameter and their order are the same."""
    recorder = Recorder()
    blob = storage.Client(project="app", credentials=recorder).bucket(BUCKET).blob(f"users/alice/{name}")
    theirs = blob.generate_signed_url(
        version="v4", expiration=ADDRESS_LIFETIME, generation=generation, api_access_endpoint=f"https://{HOST}"
    )
    parameters = dict(parse_qsl(urlsplit(theirs).query))
    now = datetime.strptime(parameters["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    ours = signed_address(KEY, BUCKET, blob.name, generation, now=now, lifetime=ADDRESS_LIFETIME)

    unsigned = theirs.partition("&X-Goog-Signature=")[0].replace("GOOG4-RSA", "GOOG4-HMAC")
    assert ours.partition("&X-Goog-Signature=")[0] == unsigned
    path = theirs.removeprefix(f"https://{HOST}").partition("?")[0]
    assert string_to_sign("GET", path, parameters, {"host": HOST}) == recorder.signed
    with_ours = dict(parse_qsl(urlsplit(ours).query))
    to_sign = string_to_sign("GET", path, with_ours, {"host": HOST})
    scope = with_ours["X-Goog-Credential"].split("/")[1:]
    assert with_ours["X-Goog-Signature"] == chained(f"GOOG4{SECRET}", *scope, to_sign).hex()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("test-object", "test-object"),
        ("path/with/slashes/under_score/amper&sand/file.ext", "path/with/slashes/under_score/amper%26sand/file.ext"),
    ],
)
def test_paths_are_those_of_googles_conformance_tests(name: str, path: str) -> None:
    """As published in googleapis/conformance-tests, storage/v1/v4_signatures.json."""
    now = datetime(2019, 2, 1, 9, tzinfo=UTC)

    address = signed_address(KEY, "test-bucket", name, None, now=now, lifetime=timedelta(seconds=10))

    assert address.partition("&X-Goog-Signature=")[0] == (
        f"https://storage.googleapis.com/test-bucket/{path}?X-Goog-Algorithm=GOOG4-HMAC-SHA256"
        f"&X-Goog-Credential={ACCESS_ID}%2F20190201%2Fauto%2Fstorage%2Fgoog4_request"
        "&X-Goog-Date=20190201T090000Z&X-Goog-Expires=10&X-Goog-SignedHeaders=host"
    )


def test_an_address_lasts_until_a_batch_that_is_late_is_stopped() -> None:
    """The window of 24 hours, and as long again for a batch that began or ends late; V4 allows seven days."""
    for traits in TRAITS.values():
        assert traits.window < poll._BATCH_PATIENCE * traits.window <= ADDRESS_LIFETIME < timedelta(days=7)


async def test_the_provider_reads_the_image_from_the_first_hour_of_the_window_to_its_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address, from a function without an emulator, opens the bytes that were checked; after two days, nothing."""
    name = "Größe (1) + ~ガラス & a=b@c.png"
    async with deployed(world, monkeypatch) as reader:
        await world.give("alice", 1)
        await world.submit("alice", input={"imageUri": await world.upload("alice", name)})
        (address,) = await addresses(world)

        for hours in (0, 13, 11, 23):
            world.pass_time(hours=hours)
            assert (await reader.get(address)).content == PNG
        world.pass_time(hours=2)
        assert (await reader.get(address)).text == "ExpiredToken"
    await world.finish()
    await assert_promises_kept(world)


async def test_an_address_opens_nothing_else_and_can_be_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other object, content or time; a deleted upload ends it, and a deactivated key ends all of them."""
    async with deployed(world, monkeypatch) as reader:
        await world.give("alice", 2)
        uris = [await world.upload("alice", name) for name in ("a.png", "b.png", "c.png")]
        for uri in uris[:2]:
            await world.submit("alice", input={"imageUri": uri})
        first, second = await addresses(world)
        changed = {
            first.replace("/a.png?", "/c.png?"),
            first.replace("Expires=172800", "Expires=604800"),
            first.replace("generation=", "generation=1"),
            first.partition("&generation=")[0] + "&X-Goog-Signature" + first.partition("&X-Goog-Signature")[2],
            first[:-1] + ("0" if first[-1] != "0" else "1"),
            first.replace(ACCESS_ID, ACCESS_ID[:-1] + "B"),
        }

        assert len(changed - {first}) == 6
        assert {(await reader.get(address)).status_code for address in changed} == {403}
        assert (await reader.get(first)).status_code == 200
        await world.upload("alice", "a.png", PNG + b"later")
        assert (await reader.get(first)).status_code == 404
        await world.delete_upload(uris[0])
        assert [(await reader.get(address)).status_code for address in (first, second)] == [404, 200]
        reader.keys.clear()
        assert (await reader.get(second)).text == "AccessDenied"


async def test_after_a_failed_download_the_next_request_has_a_new_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no attempt, in a later batch, with a lifetime that begins anew; the new key signs it if there is one."""
    async with deployed(world, monkeypatch) as reader:
        await world.give("alice", 1)
        world.provider.faults.add(
            ReplyRule(reply=Reply.http_error(400, "invalid_image_url", "Timeout while downloading."))
        )
        job_id = await world.submit("alice", input={"imageUri": await world.upload("alice")})
        world.pass_time(hours=20)
        newer = ACCESS_ID[:-1] + "B"
        world.set_env(IMAGE_SIGNING_KEY=f"{newer}:{SECRET[::-1]}")
        reader.keys[newer] = SECRET[::-1]

        await world.finish()

        job = await world.job(job_id)
        assert (job["status"], job["attempts"], job["spared"]) == ("completed", 1, 1)
        old, new = await addresses(world)
        assert (ACCESS_ID in old, newer in new) == (True, True)
        world.pass_time(hours=30)
        assert (await reader.get(old)).text == "ExpiredToken"
        assert (await reader.get(new)).content == PNG
    await assert_promises_kept(world)


@pytest.mark.parametrize(("is_uploaded", "is_bulk"), [(False, False), (True, False), (False, True)])
async def test_a_batch_that_waited_for_a_day_is_sent_with_new_addresses(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_uploaded: bool, is_bulk: bool
) -> None:
    """The provider could not be reached; the file is written anew, and one that it has already is of no use."""
    world.bound(visible_after_seconds=(0.0,))
    async with deployed(world, monkeypatch) as reader:
        await world.give("alice", 1)
        path = "/v1/batches" if is_uploaded else "/v1/files"
        world.provider.faults.add(RequestFault("POST", path, status=503, times=None))
        row = {"imageUri": await world.upload("alice")}
        if is_bulk:
            asked_id = await world.start_bulk(items=[row], maxTokens=1)
        else:
            asked_id = await world.submit("alice", input=row)
        assert [batch["status"] for batch in await world.batches()] == ["sealed"]
        world.pass_time(hours=23)
        assert await world.tick() == 200
        assert "addressedAt" not in (await world.batches())[0], "its addresses still serve"
        world.pass_time(hours=7)
        world.provider.faults.clear()

        await world.finish()
        assert await world.tick() == 200

        (batch,) = await world.batches()
        ended = await (world.bulk if is_bulk else world.job)(asked_id)
        assert (batch["status"], ended["status"]) == ("completed", "completed")
        assert ended["counts"]["completed"] == 1 if is_bulk else ended["attempts"] == 1
        world.pass_time(hours=23)
        assert (await reader.get((await addresses(world))[-1])).content == PNG
        assert not world.provider.files, "the old file is no stray for ever"
    await assert_promises_kept(world)
