"""What every provider's adapter promises, whichever API it speaks. A new provider is a line in `served.py`."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from nightshift import job_types
from nightshift.jobs.answer import Answer, answer_of
from nightshift.providers import registry, result_line
from nightshift.providers.base import Intent, ProviderGone, ProviderTrouble
from nightshift.providers.request import Request
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
