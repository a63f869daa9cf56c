"""Videos: an upload is checked by its bytes before the charge, and Gemini watches it."""

from collections.abc import AsyncIterator

import pytest

from local.gemini_server import GeminiServer
from nightshift.errors import JobRefused
from nightshift.images.video_format import video_type
from tests.support.promises import assert_promises_kept
from tests.support.world import API_KEY, World, access

MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 64


@pytest.fixture
async def gemini(world: World) -> AsyncIterator[GeminiServer]:
    """The provider that watches videos."""
    server = GeminiServer(api_key=API_KEY, now=lambda: world.now().timestamp())
    async with server.serve() as base_url:
        world.set_env(**access("gemini", base_url))
        yield server


async def test_a_video_is_watched_in_a_batch_and_instantly(world: World, gemini: GeminiServer) -> None:
    """At the price of its type; the upload that was checked is what Gemini gets."""
    await world.give("alice", 30)
    uri = await world.upload("alice", "clip.mp4", MP4)
    batch = await world.submit("alice", type="video_analysis", input={"videoUri": uri, "text": "who is in it?"})
    instant = await world.submit("alice", type="video_analysis", speed="instant", input={"videoUri": uri})
    for _ in range(3):
        await gemini.settled()
        assert await world.tick() == 200

    for job_id, tokens in {batch: 5, instant: 25}.items():
        job = await world.job(job_id)
        assert (job["status"], job["provider"], job["tokensSpent"]) == ("completed", "gemini", tokens)
        assert job["result"]["scenes"]
        assert job["imageGeneration"]
    await assert_promises_kept(world)


async def test_a_bulk_jobs_videos_are_checked_before_its_price(world: World, gemini: GeminiServer) -> None:
    """Another user's, a file that is no video and a missing one fail as rows, and cost nothing."""
    await world.give("alice", 30)
    own = [await world.upload("alice", f"{number}.mp4", content) for number, content in enumerate((MP4, b"no video"))]
    uris = [*own, await world.upload("bob", "clip.mp4", MP4), own[0].replace("0.mp4", "missing.mp4")]
    template = {"videoUri": "{{clip}}"}

    bulk_id = await world.start_bulk(
        type="video_analysis", items=[{"clip": uri} for uri in uris], template=template, maxTokens=5
    )

    bulk = await world.bulk(bulk_id)
    assert (bulk["quote"]["items"], bulk["quote"]["tokens"]) == (1, 5)
    assert [error["code"] for error in bulk["firstErrors"]] == ["invalid_input", "forbidden_image", "invalid_input"]
    for _ in range(3):
        await gemini.settled()
        assert await world.tick() == 200
    assert (await world.bulk(bulk_id))["counts"]["completed"] == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize("content", [b"\x00", b"\x89PNG\r\n\x1a\n" + b"\x00" * 32, MP4.replace(b"mp42", b"heic", 1)])
async def test_what_is_no_video_is_refused_before_any_charge(
    world: World, gemini: GeminiServer, content: bytes
) -> None:
    """Whatever its name says."""
    await world.give("alice", 30)
    uri = await world.upload("alice", "clip.mp4", content)

    job = await world.job(await world.submit("alice", type="video_analysis", input={"videoUri": uri}))

    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "invalid_input", 0)


async def test_another_users_video_is_forbidden(world: World, gemini: GeminiServer) -> None:
    """As another user's image is."""
    await world.give("alice", 30)
    uri = await world.upload("bob", "clip.mp4", MP4)

    job = await world.job(await world.submit("alice", type="video_analysis", input={"videoUri": uri}))

    assert (job["status"], job["errorCode"]) == ("failed", "forbidden_image")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (MP4, "video/mp4"),
        (MP4.replace(b"mp42", b"qt  ", 1), "video/quicktime"),
        (b"\x1aE\xdf\xa3" + b"\x00" * 12, "video/webm"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"short", None),
    ],
)
def test_a_video_is_known_by_its_first_bytes(content: bytes, kind: str | None) -> None:
    """MP4, QuickTime and WebM are watched; anything else gets a sentence."""
    if kind:
        assert video_type(content[:16]) == kind
        return
    with pytest.raises(JobRefused, match="invalid_input"):
        video_type(content[:16])
