"""Arbitrary lines in the provider's files: valid ones with a few values out of place, any JSON, any bytes.

A line names one of the batch's jobs by its number, as `job-000`; the true id is put in when the file is written.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from local.provider_server.batches import Batch
from tests.fuzz.contract import assert_batches_are_legal, assert_ended_well, assert_wallet_agrees
from tests.fuzz.kind import BYSTANDER, Kind, bystander_is_answered
from tests.fuzz.values import ANY_JSON, deep, mutated, up_to
from tests.support.world import World

_JOBS = 20
_TYPES = ("waste_classification", "photo_rating")
_ANSWER = {
    "itemName": "bottle",
    "category": "dry",
    "material": "glass",
    "confidence": 0.9,
    "disposalInstructions": "Rinse it.",
    "environmentalImpact": "Little.",
    "tips": ["Reuse it."],
    "explanation": "It is glass.",
}
_BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "", "refusal": None}}
    ],
    "usage": {"prompt_tokens": 90, "completion_tokens": 40, "total_tokens": 130},
}
_LINE = {
    "id": "batch_req_1",
    "custom_id": "job-000",
    "response": {"status_code": 200, "request_id": "1", "body": _BODY},
    "error": None,
}
_STATUS_CODES = st.sampled_from(
    [200, 201, 204, 400, 401, 404, 408, 409, 413, 429, 499, 500, 503, -1, 2**40, "200", 200.0, True]
)
_ERROR_CODES = st.sampled_from(["batch_expired", "batch_cancelled", "request_timeout", "", "x" * 5_000])
_CUSTOM_IDS = st.integers(0, _JOBS - 1).map("job-{:03}".format) | st.sampled_from(
    ["job-", "job-999", "job-a/b", "000", ""]
)


@dataclass(frozen=True)
class Files:
    """The lines of an output file and of an error file."""

    output: list[bytes]
    errors: list[bytes]


@st.composite
def _valid(draw: st.DrawFn) -> dict[str, Any]:
    """A line as the provider writes it, of one fate or another."""
    line: dict[str, Any] = {**_LINE, "custom_id": draw(_CUSTOM_IDS)}
    content = json.dumps(draw(mutated(_ANSWER, ANY_JSON, most=2)))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "refusal": draw(st.sampled_from([None, None, None, "No.", "", 5, {}])),
    }
    finish = draw(st.sampled_from(["stop", "stop", "stop", "length", "content_filter", "tool_calls", None]))
    body = {**_BODY, "choices": [{"index": 0, "finish_reason": finish, "message": message}]}
    match draw(st.sampled_from(["answer", "answer", "answer", "status", "error", "both"])):
        case "answer":
            line["response"] = {**_LINE["response"], "body": body}  # type: ignore[dict-item]  # it is a dict
        case "status":
            line["response"] = {"status_code": draw(_STATUS_CODES), "body": body}
        case "error":
            line |= {"response": None, "error": {"code": draw(_ERROR_CODES), "message": "No."}}
        case _:
            line |= {"response": {"status_code": 200, "body": body}, "error": {"code": draw(_ERROR_CODES)}}
    return line


def _written(fields: Any, *, ascii_only: bool) -> bytes:
    return json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def _spliced(draw: st.DrawFn) -> bytes:
    """A valid line with some bytes cut out and others put in."""
    line = _written(draw(_valid()), ascii_only=True)
    start = draw(st.integers(0, len(line)))
    return line[:start] + draw(st.binary(max_size=10)) + line[start + draw(st.integers(0, 20)) :]


ANY_LINE = st.one_of(
    st.builds(_written, _valid(), ascii_only=st.booleans()),
    st.builds(_written, _valid().flatmap(lambda line: mutated(line, ANY_JSON)), ascii_only=st.booleans()),
    st.builds(_written, _valid().flatmap(lambda line: mutated(line, ANY_JSON)), ascii_only=st.booleans()),
    st.builds(_written, ANY_JSON, ascii_only=st.booleans()),
    _spliced(),
    st.binary(max_size=60),
    st.sampled_from([deep(100_000).encode(), b'{"custom_id": "job-000", "response": ' + deep(100_000).encode() + b"}"]),
)
_FILES = st.builds(Files, up_to(50, ANY_LINE), up_to(10, ANY_LINE))


async def _begin(world: World) -> None:
    # One batch for all jobs of an example, and one more for what is to be asked again.
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_RESCUE_SECONDS="0", NIGHTSHIFT_MAX_ATTEMPTS="2")
    await world.give(BYSTANDER, 100_000)
    await world.give("alice", 1_000_000)
    await world.upload("alice")


async def _play(world: World, files: Files) -> int:
    script, image = world.provider.script, f"gs://{world.project}.firebasestorage.app/users/alice/photo.png"
    played = 0

    def edited(lines: list[bytes], batch: Batch) -> list[bytes]:
        nonlocal played
        played += len(lines)
        names = _custom_ids(world, batch)
        return [re.sub(rb"job-(\d{3})", lambda number: names.get(int(number[1]), number[0]), line) for line in lines]

    script.edit_output = lambda batch, _: edited(files.output, batch)
    script.edit_errors = lambda batch, _: edited(files.errors, batch)
    asked = {"text": "a bottle", "imageUri": image}
    writes = (world.write("alice", type=_TYPES[number % 2], input=asked) for number in range(_JOBS))
    jobs = await asyncio.gather(*writes)
    try:
        for _ in range(5):
            assert await world.tick() == 200, "a tick gets to its end"
            await world.provider.settled()
            if not await world.jobs("created", "queued", "processing"):
                break
        await assert_ended_well(world, jobs)
        await assert_batches_are_legal(world)
        await assert_wallet_agrees(world, "alice")
    finally:
        script.edit_output = script.edit_errors = None
    bystander = await world.write(BYSTANDER)
    await bystander_is_answered(world, bystander)
    assert not world.provider.files, "no file is left at the provider"
    await _clear(world)
    return played


def _custom_ids(world: World, batch: Batch) -> dict[int, bytes]:
    """The custom_ids of a batch, by their place in the input file."""
    lines = world.provider.files[batch.input_file_id].path.read_bytes().splitlines()
    return dict(enumerate(json.loads(line)["custom_id"].encode() for line in lines))


async def _clear(world: World) -> None:
    """What has ended is not looked at again in the next example."""
    writes = world.firestore.batch()
    for collection in ("ai_batches", "ai_jobs", "notifications", "classifications"):
        for document_id in await world.documents(collection):
            writes.delete(world.firestore.collection(collection).document(document_id))
    await writes.commit()


KIND = Kind(name="lines", examples=_FILES, play=_play, share=25, size=40, begin=_begin)
