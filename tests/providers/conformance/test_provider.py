"""What every provider's adapter promises, whichever API it speaks. A new provider is a line in `served.py`."""

import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route

from local.provider_server.faults import ReplyRule, RequestFault
from local.provider_server.reply import Reply
from local.provider_server.server import ProviderServer
from local.serve import serving
from nightshift import job_types
from nightshift.jobs.answer import Answer, answer_of
from nightshift.providers import registry, result_line
from nightshift.providers.base import (
    Intent,
    ProviderBusy,
    ProviderGone,
    ProviderLocked,
    ProviderRateLimited,
    ProviderTrouble,
)
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.values.trouble import Trouble
from tests.providers.conformance.served import PROVIDERS, Served

JOB_TYPE = job_types.find("waste_classification")


@pytest.fixture(params=PROVIDERS)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """Each provider in turn, with its server."""
    async with PROVIDERS[request.param]() as running:
        yield running


def _request(served: Served, job_id: str, text: str = "an empty glass bottle") -> Request:
    return Request(
        job_id=job_id,
        model=served.model,
        instructions=JOB_TYPE.instructions,
        text=text,
        image=None,
        schema=JOB_TYPE.schema(),
        schema_name=JOB_TYPE.name,
        max_output_tokens=JOB_TYPE.max_output_tokens,
    )


async def _created(served: Served, batch_id: str, *job_ids: str) -> str:
    """A batch that asks for these jobs; returns the provider's id of it."""
    lines = b"".join(served.provider.request_line(_request(served, job_id)) + b"\n" for job_id in job_ids)
    if served.provider.traits.takes == "inline":
        intent = Intent(
            batch_id=batch_id,
            endpoint=served.provider.traits.endpoint,
            model=served.model,
            requests=len(job_ids),
            input_file_id=None,
        )
        return (await served.provider.create(intent, io.BytesIO(lines))).remote_id
    input_file_id = await served.provider.upload(batch_id, io.BytesIO(lines))
    intent = Intent(
        batch_id=batch_id,
        endpoint=served.provider.traits.endpoint,
        model=served.model,
        requests=len(job_ids),
        input_file_id=input_file_id,
    )
    return (await served.provider.create(intent, None)).remote_id


async def test_a_batch_is_created_found_answered_and_cleaned_up(served: Served) -> None:
    """Its results are our own lines, one for each job; nothing is left at the provider."""
    provider, jobs = served.provider, {"one", "two", "three"}
    if served.server:
        served.server.hold("validating")
    remote_id = await _created(served, "ns-batch", *jobs)
    uploaded = {"ns-batch.jsonl"} if provider.traits.takes == "file" else set[str]()
    assert {file.name async for file in provider.input_files()} == uploaded

    if served.server:
        served.server.release()
    await served.finish()

    ended = await provider.retrieve(remote_id)
    assert ended.outcome == "completed"
    assert ended.output_file_id
    assert ended.error_file_id is None
    stored = b"".join([chunk async for chunk in provider.results(ended.output_file_id)])
    lines = [result_line.read(line) for line in stored.splitlines()]
    assert sorted(line.job_id for line in lines if line) == sorted(jobs)
    assert all(line and isinstance(answer_of(line, JOB_TYPE), Answer) for line in lines)
    again = b"".join([chunk async for chunk in provider.results(ended.output_file_id)])
    assert again == stored, "a repeated copy changes no byte"
    files = {ended.output_file_id} | {file.file_id async for file in provider.input_files()}
    for file_id in files:
        await provider.delete_file(file_id)
    assert [file async for file in provider.input_files()] == []
    assert [await provider.delete_file(file_id) for file_id in files] == [False] * len(files)


async def test_a_batch_whose_creation_went_unheard_is_recognized(served: Served) -> None:
    """By our id on it, wherever it stands in the listing."""
    ids = {await _created(served, f"ns-{number}", "one"): f"ns-{number}" for number in range(3)}

    listed = [remote async for remote in served.provider.batches()]

    assert {remote.remote_id for remote in listed} == set(ids)
    if served.provider.traits.is_stamped:
        assert {remote.remote_id: remote.batch_id for remote in listed} == ids
    if served.provider.traits.lists_newest_first:
        created = [remote.created_at for remote in listed if remote.created_at]
        assert created == sorted(created, reverse=True)


async def test_an_answer_in_real_time_is_a_line_like_any_other(served: Served) -> None:
    """The same request, alone."""
    answered = await served.provider.answer(_request(served, "alone"), 10)

    assert answered.line.job_id == "alone"
    assert isinstance(answer_of(answered.line, JOB_TYPE), Answer)


async def test_no_text_ends_its_line(served: Served) -> None:
    """A text that forges a second line stays within its own."""
    line = served.provider.request_line(_request(served, "one", 'x"}\n{"custom_id": "job-other"}\u2028\x85\r\n\ud83d'))

    assert len(line.decode().splitlines()) == 1
    assert "job-other" not in {value for value in json.loads(line).values() if isinstance(value, str)}


async def test_what_is_not_there_is_gone(served: Served) -> None:
    """An unknown batch is not taken for trouble, and stopping it is no error."""
    with pytest.raises(ProviderGone):
        await served.provider.retrieve("batch_unknown")
    with pytest.raises(ProviderGone):
        _ = [chunk async for chunk in served.provider.results("file-unknown")]
    await served.provider.cancel("batch_unknown")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_that_is_not_there_may_still_have_acted(name: str) -> None:
    """A create without an answer is trouble that passes, and is looked for before it is sent again."""
    async with PROVIDERS[name]() as served:
        pass
    intent = Intent(
        batch_id="ns-batch",
        endpoint=served.provider.traits.endpoint,
        model=served.model,
        requests=1,
        input_file_id="file-1",
    )
    with pytest.raises(ProviderTrouble) as trouble:
        await served.provider.create(intent, io.BytesIO(b"{}\n"))
    assert trouble.value.may_still_act
    with pytest.raises(ProviderTrouble):
        await served.provider.answer(_request(served, "alone"), 5)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_facts_are_those_of_its_lanes(name: str) -> None:
    """A lane is named by the provider and its endpoint, and is known without a call."""
    async with PROVIDERS[name]() as served:
        listed = registry.TRAITS[served.provider.name]
        assert replace(served.provider.traits, lists_newest_first=listed.lists_newest_first) == listed
        assert 0 < listed.batch_price <= 1
        assert listed.max_requests > 0
        assert listed.max_bytes > 0


# What goes wrong, at servers that do what they are told


@pytest.fixture(params=[name for name in PROVIDERS if name != "openai-compatible"])
async def told(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Served, ProviderServer]]:
    """Each provider whose server is ours, in turn."""
    async with PROVIDERS[request.param]() as running:
        assert running.server
        yield running, running.server


async def _lines(served: Served, remote_id: str) -> dict[str, ResultLine]:
    """What the results of an ended batch say of each job."""
    ended = await served.provider.retrieve(remote_id)
    found: dict[str, ResultLine] = {}
    for source in filter(None, (ended.output_file_id, ended.error_file_id)):
        stored = b"".join([chunk async for chunk in served.provider.results(source)])
        found |= {line.job_id: line for each in stored.splitlines() if (line := result_line.read(each))}
    return found


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
async def test_what_a_batch_answered_before_its_end_is_read(told: tuple[Served, ProviderServer], ending: str) -> None:
    """And no job that it left out has an answer; Gemini gives back nothing of such a batch."""
    served, server = told
    server.hold("in_progress", answered=1)
    remote_id = await _created(served, "ns-batch", "one", "two", "three")
    await server.settled()
    assert (await served.provider.retrieve(remote_id)).outcome is None
    if ending == "expired":
        await server.expire(remote_id, answered=1)
    else:
        await served.provider.cancel(remote_id)
        server.release()
        await server.settled()

    assert (await served.provider.retrieve(remote_id)).outcome == ending

    lines = await _lines(served, remote_id)
    answered = [line for line in lines.values() if line.text]
    assert len(answered) == (0 if served.provider.name == "gemini" else 1)
    left = {line.trouble for line in lines.values() if not line.text}
    assert left <= {Trouble.EXPIRED, Trouble.STOPPED, Trouble.PROVIDER}


async def test_a_line_without_an_answer_says_whose_fault_it_is(told: tuple[Served, ProviderServer]) -> None:
    """A batch that succeeded may hold lines that all failed."""
    served, server = told
    server.faults.add(
        ReplyRule(Reply.http_error(400, message="No such thing."), custom_id="job-one"),
        ReplyRule(Reply.http_error(500), custom_id="job-two"),
        ReplyRule(Reply.http_error(429), custom_id="job-three"),
    )
    remote_id = await _created(served, "ns-batch", "one", "two", "three")
    await server.settled()

    assert (await served.provider.retrieve(remote_id)).outcome == "completed"
    lines = await _lines(served, remote_id)
    # Under a key that nothing proves, no job is judged.
    own = Trouble.PROVIDER if served.provider.name == "gemini" else Trouble.REJECTED
    assert {job_id: line.trouble for job_id, line in lines.items()} == {
        "one": own,
        "two": Trouble.PROVIDER,
        "three": Trouble.PROVIDER,
    }


async def test_a_model_that_declines_or_is_cut_off_says_so(told: tuple[Served, ProviderServer]) -> None:
    """In real time; what it used is counted."""
    served, server = told
    server.faults.add(ReplyRule(Reply.refuses("I would rather not.")))
    declined = await served.provider.answer(_request(served, "one"), 10)
    assert declined.line.stop == "refusal"
    server.faults.add(ReplyRule(Reply(content='{"itemName": "bot', finish_reason="length")))
    cut = await served.provider.answer(_request(served, "one"), 10)
    assert cut.line.stop == "length"
    assert cut.line.usage.input_tokens > 0
    assert cut.line.usage.output_tokens > 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, ProviderRateLimited),
        (500, ProviderBusy),
        (503, ProviderBusy),
        (529, ProviderBusy),
        (401, ProviderLocked),
        (402, ProviderLocked),
        (403, ProviderLocked),
    ],
)
async def test_a_refusal_in_real_time_says_when_to_ask_again(
    told: tuple[Served, ProviderServer], status: int, kind: type[ProviderTrouble]
) -> None:
    """What is asked too often waits as long as `Retry-After` says; what needs the operator is recognised."""
    served, server = told
    server.faults.add(RequestFault("POST", served.answer_path, status=status, headers={"Retry-After": "7"}, times=None))

    with pytest.raises(kind) as refused:
        await served.provider.answer(_request(served, "one"), 10)

    assert type(refused.value) is kind
    assert refused.value.retry_after_seconds == 7
    assert len(server.calls) == 1, "it is asked once"


async def test_a_create_whose_answer_is_lost_was_sent_once_and_is_found(told: tuple[Served, ProviderServer]) -> None:
    """By its stamp; without one, by its time and the number of its requests."""
    served, server = told
    server.faults.add(RequestFault("POST", served.create_path, when="after", reset=True))

    with pytest.raises(ProviderTrouble) as lost:
        await _created(served, "ns-batch", "one", "two")

    assert lost.value.may_still_act
    creates = [call for call in server.calls if re.fullmatch(served.create_path, call.path) and call.method == "POST"]
    assert len(creates) == len(server.batches) == 1
    await server.settled()
    (found,) = [remote async for remote in served.provider.batches()]
    assert found.remote_id == next(iter(server.batches))
    assert found.batch_id == ("ns-batch" if served.provider.traits.is_stamped else None)
    assert found.requests == 2


# xAI's are read page by page, and its own test breaks a page off: tests/providers/test_groq_and_xai.py.
@pytest.mark.parametrize(
    "told", [name for name in PROVIDERS if name not in {"openai-compatible", "xai"}], indirect=True
)
async def test_results_that_break_off_are_read_on(told: tuple[Served, ProviderServer]) -> None:
    """To the same bytes as without the break."""
    served, server = told
    assert served.results_path
    remote_id = await _created(served, "ns-batch", "one", "two")
    await server.settled()
    source = (await served.provider.retrieve(remote_id)).output_file_id
    assert source
    whole = b"".join([chunk async for chunk in served.provider.results(source)])
    server.faults.add(RequestFault("GET", served.results_path, truncate_at=100))

    again = b"".join([chunk async for chunk in served.provider.results(source)])

    assert again == whole
    assert server.faults.pending == []


async def test_an_address_that_an_answer_names_gets_no_key(told: tuple[Served, ProviderServer]) -> None:
    """A redirect to another host is no way out for the key."""
    served, server = told
    heard: list[Headers] = []

    async def elsewhere(request: StarletteRequest) -> Response:
        heard.append(request.headers)
        return Response(status_code=500)

    async with serving(Starlette(routes=[Route("/{path:path}", elsewhere)])) as address:
        there = {"location": f"http://{address}/v1/batches/one"}
        server.faults.add(RequestFault("GET", ".*", status=307, headers=there, times=None))
        with pytest.raises(ProviderTrouble):
            await served.provider.retrieve("batches/one")

    assert not [headers for headers in heard if {"authorization", "x-api-key", "x-goog-api-key"} & set(headers.keys())]
