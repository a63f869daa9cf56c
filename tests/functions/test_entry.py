"""The way into a function: what is no event, and what breaks off."""

import pytest
from cloudevents.http import CloudEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from nightshift import log
from nightshift.entry import guarded, takes_event
from tests.support.log_entries import entries
from tests.support.world import World

EVENT = {"ce-id": "1", "ce-source": "//test", "ce-specversion": "1.0", "ce-type": "t"}


@pytest.mark.parametrize("target", ["on_ai_job_created", "process_batch_jobs", "ingest_batch_results"])
@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("GET", {}, b""),
        ("POST", {}, b"qsecret"),
        ("POST", {"ce-id": "qsecret"}, b"{}"),
        ("POST", EVENT | {"ce-specversion": "qsecret"}, b"{}"),
        ("POST", {"content-type": "application/cloudevents+json"}, b'{"qsecret": 1}'),
    ],
)
async def test_what_is_no_event_is_answered_400_without_a_word(
    world: World, capsys: pytest.CaptureFixture[str], target: str, method: str, headers: dict[str, str], body: bytes
) -> None:
    """Nothing is done, and neither the answer nor the log says what it was."""
    answer = await world.call(target, method, headers=headers, content=body)

    assert (answer.status_code, answer.content) == (400, b"")
    printed = capsys.readouterr().out
    assert [(entry["severity"], entry["jsonPayload"]["message"]) for entry in entries(printed)] == [
        ("ERROR", "event_unreadable")
    ]
    assert "qsecret" not in printed


async def test_an_event_that_breaks_off_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Its sender hears 500, if it still listens; it is no bug."""
    log.configure()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def function(_: CloudEvent) -> None:
        raise AssertionError("there is no event")

    with pytest.raises(HTTPException):
        await guarded(takes_event(function))(Request({"type": "http", "headers": []}, receive))

    entry = entries(capsys.readouterr().out)[0]
    assert (entry["severity"], entry["jsonPayload"]["message"]) == ("WARNING", "left_to_redelivery")
