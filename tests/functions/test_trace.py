"""The trace of a call: by its request's headers, on each of its events, and on no other call's."""

import asyncio
import json
from typing import Any

import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from local.openai_server import RequestFault
from nightshift import log
from nightshift.entry import guarded
from nightshift.trace import trace_of
from tests.support.log_entries import entries
from tests.support.world import World

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OTHER = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-{SPAN}-01"
FIELDS = {
    "logging.googleapis.com/trace": TRACE,
    "logging.googleapis.com/spanId": SPAN,
    "logging.googleapis.com/trace_sampled": True,
}
UNSAMPLED = FIELDS | {"logging.googleapis.com/trace_sampled": False}
WITHOUT_SPAN = {name: field for name, field in UNSAMPLED.items() if not name.endswith("spanId")}

events = structlog.get_logger()


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"traceparent": PARENT}, FIELDS),
        ({"traceparent": f"00-{TRACE}-{SPAN}-00"}, UNSAMPLED),
        ({"x-cloud-trace-context": f"{TRACE}/{int(SPAN, 16)};o=1"}, FIELDS),
        ({"x-cloud-trace-context": f"{TRACE}/{int(SPAN, 16)}"}, UNSAMPLED),
        ({"x-cloud-trace-context": TRACE}, WITHOUT_SPAN),
        ({"x-cloud-trace-context": f"{TRACE}/0;o=0"}, WITHOUT_SPAN),
        ({"ce-traceparent": PARENT}, FIELDS),
        ({"traceparent": PARENT, "x-cloud-trace-context": OTHER, "ce-traceparent": f"00-{OTHER}-{SPAN}-00"}, FIELDS),
        ({"traceparent": "?", "x-cloud-trace-context": f"{TRACE}/{int(SPAN, 16)};o=1"}, FIELDS),
    ],
)
def test_a_request_names_its_trace(headers: dict[str, str], fields: dict[str, Any]) -> None:
    """The standard header comes first, then Google's older one, then the event's own; the span is hexadecimal."""
    assert trace_of(headers) == fields


@pytest.mark.parametrize("header", ["traceparent", "x-cloud-trace-context", "ce-traceparent"])
@pytest.mark.parametrize(
    "hostile",
    [
        *("", "-", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-1", f"{PARENT}-00", f"{PARENT} ", f"{PARENT}\n"),
        *(f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", PARENT.upper()),
        *(f"00-{'g' * 32}-{SPAN}-01", f"00-{TRACE}0-{SPAN}-01", "0" * 32, f"{TRACE}/", f"{TRACE}/{SPAN};o=1"),
        *(
            f"{TRACE}/1;o=9",
            f"{TRACE}/1;o=1\r\nx: y",
            f"{TRACE}/{'9' * 21}",
            f'{TRACE}"}}',
            "\u0664" * 32,
            "a" * 100_000,
        ),
    ],
)
def test_what_has_not_the_form_of_a_trace_is_ignored(header: str, hostile: str) -> None:
    """Too short, too long, all zeros, of another alphabet, or with a line of its own."""
    assert trace_of({header: hostile}) == {}


def test_a_span_beyond_its_64_bits_is_left_out() -> None:
    """Its trace is one all the same."""
    assert trace_of({"x-cloud-trace-context": f"{TRACE}/{2**64};o=0"}) == WITHOUT_SPAN


async def test_every_event_of_a_call_carries_its_trace_and_its_function(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an event's call too, whose headers functions-framework would keep to itself; the next call has its own."""
    await world.give("alice", 2)
    for job_id, trace in (("one", TRACE), ("two", OTHER)):
        await world.write("alice", job_id)
        attributes = {"ce-document": f"ai_jobs/{job_id}", "traceparent": f"00-{trace}-{SPAN}-01"}
        kind = "google.cloud.firestore.document.v1.created"
        assert await world.event("on_ai_job_created", kind, attributes) == 200
    assert await world.tick() == 200
    logged = entries(capsys.readouterr().out)

    for job_id, trace in (("one", TRACE), ("two", OTHER)):
        of_job = [entry for entry in logged if entry["jsonPayload"].get("job_id") == job_id]
        assert [entry["jsonPayload"]["message"] for entry in of_job] == [
            "job_queued",
            "batch_sealed",
            "batch_submitted",
        ]
        assert {entry["trace"] for entry in of_job} == {f"projects/{world.project}/traces/{trace}"}
        assert {entry["jsonPayload"]["function"] for entry in of_job} == {"on_ai_job_created"}
        assert {entry["jsonPayload"]["lane"] for entry in of_job} == {"openai:/v1/chat/completions:gpt-5-mini"}
    ticks = [entry for entry in logged if entry["jsonPayload"]["function"] == "process_batch_jobs"]
    assert ticks[-1]["jsonPayload"]["message"] == "tick_done"
    assert {entry["trace"] for entry in ticks} == {None}
    assert not [entry for entry in ticks if "job_id" in entry["jsonPayload"]]


async def test_each_step_of_a_batch_names_its_batch_and_its_lane(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Submitted by a trigger, ended and settled by a tick: one batch, one lane, from its first event to its last."""
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()
    batch = (await world.batches())[0]

    steps = {
        entry["jsonPayload"]["message"]: entry["jsonPayload"]
        for entry in entries(capsys.readouterr().out)
        if entry["jsonPayload"].get("batch_id") == batch["id"]
    }
    assert list(steps) == ["batch_sealed", "batch_submitted", "batch_ended", "batch_ingested", "batch_closed"]
    assert {step["lane"] for step in steps.values()} == {batch["lane"]}
    assert steps["batch_closed"]["cost_usd"] == batch["costUsd"]


async def test_a_trouble_names_the_batch_that_met_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In a trigger and in a tick; the tick's other events do not name it."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=500, times=2))
    await world.give("alice", 1)
    await world.submit("alice")
    assert await world.tick() == 200

    logged = [entry["jsonPayload"] for entry in entries(capsys.readouterr().out)]
    batch_id = (await world.batches())[0]["id"]
    left = [event for event in logged if event["message"] == "left_to_the_next_tick"]
    assert [(event["duty"], event["batch_id"]) for event in left] == [("submit", batch_id), ("advance", batch_id)]
    assert not {"batch_id", "lane"} & logged[-1].keys()


async def test_calls_at_once_do_not_see_each_others_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """Eighty at a time in one instance, each as a task of its own, as servers call them; what ends leaves nothing."""
    log.configure("p")
    everyone_bound = asyncio.Barrier(80)

    @guarded
    async def function(request: Request) -> Response:
        bind_contextvars(job_id=request.headers["x-job"])
        await everyone_bound.wait()
        events.info("seen")
        raise ValueError

    async def call(number: int) -> None:
        headers = [(b"traceparent", f"00-{number:032x}-{SPAN}-01".encode()), (b"x-job", f"{number}".encode())]
        with pytest.raises(HTTPException):
            await function(Request({"type": "http", "headers": headers}))
        events.info("after")

    await asyncio.gather(*(call(number) for number in range(1, 81)))

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    seen = [line for line in printed if line["message"] in {"seen", "event_failed"}]
    assert len(seen) == 160
    assert all(line["logging.googleapis.com/trace"] == f"projects/p/traces/{int(line['job_id']):032x}" for line in seen)
    after = [line for line in printed if line["message"] == "after"]
    assert len(after) == 80
    assert not [line for line in after if {"job_id", "function", "logging.googleapis.com/trace"} & line.keys()]
