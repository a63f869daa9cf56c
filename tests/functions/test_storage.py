"""Objects in Cloud Storage: written whole or not at all, and no source waits for the chunk that is on its way."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests.adapters
from google.api_core.exceptions import NotFound

from nightshift import storage
from nightshift.errors import TryLater
from nightshift.storage import CHUNK_BYTES
from tests.support.world import World


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in its order: a portion was asked for, and a chunk was sent."""
    happened: list[str] = []
    real = requests.adapters.HTTPAdapter.send

    def noting(adapter: Any, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        response = real(adapter, request, *args, **options)
        if request.method == "PUT":
            happened.append("sent")
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", noting)
    return happened


async def portions(events: list[str]) -> AsyncIterator[bytes]:
    """Three chunks and a little more."""
    for number in range(4):
        events.append(f"asked for {number}")
        yield bytes([number]) * (CHUNK_BYTES if number < 3 else 5)


async def test_the_next_portion_is_read_while_a_chunk_is_on_its_way(world: World, events: list[str]) -> None:
    """So a copy takes the time of the slower side, and not that of both. At most one chunk is on its way."""
    runtime = world.operators_runtime()

    await storage.write(runtime, "large.jsonl", portions(events))

    assert events.index("asked for 1") < events.index("sent")
    assert events[: events.index("asked for 2")].count("sent") <= 1
    assert events[: events.index("asked for 3")].count("sent") >= 1
    content = runtime.artifacts.blob("large.jsonl").download_as_bytes()
    assert content == b"".join([part async for part in portions([])])


async def test_what_a_chunk_met_ends_the_writing_and_no_object_appears(
    world: World, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it was the last one."""
    runtime = world.operators_runtime()
    real = requests.adapters.HTTPAdapter.send

    for lost in (1, 2, 3):
        events.clear()

        def losing(
            adapter: Any, request: requests.PreparedRequest, *args: Any, lost: int = lost, **options: Any
        ) -> requests.Response:
            if request.method == "PUT" and events.count("sent") >= lost - 1:
                raise requests.ConnectionError("the line is cut")
            return real(adapter, request, *args, **options)

        with monkeypatch.context() as cut:
            cut.setattr(requests.adapters.HTTPAdapter, "send", losing)
            cut.setattr("google.cloud.storage.retry.DEFAULT_RETRY._timeout", 0.0)
            with pytest.raises(TryLater):
                await storage.write(runtime, "large.jsonl", portions(events))

        with pytest.raises(NotFound):
            runtime.artifacts.blob("large.jsonl").download_as_bytes()
