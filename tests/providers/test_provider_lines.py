"""Result lines that no well-behaved provider writes. They harm no other line; what can be read of them counts."""

import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from local.provider_server.batches import Batch
from tests.support.promises import assert_promises_kept
from tests.support.world import World

Spoil = Callable[[bytes], bytes]


def answering(**fields: Any) -> Spoil:
    """Replace fields of the model's answer."""
    return lambda line: saying(json.dumps(json.loads(content_of(line)) | fields))(line)


def saying(content: str) -> Spoil:
    """Replace the model's answer by a text."""

    def spoil(line: bytes) -> bytes:
        fields = json.loads(line)
        fields["response"]["body"]["choices"][0]["message"]["content"] = content
        return json.dumps(fields).encode()

    return spoil


def using(**usage: Any) -> Spoil:
    """Replace the usage."""

    def spoil(line: bytes) -> bytes:
        fields = json.loads(line)
        fields["response"]["body"]["usage"] = usage
        return json.dumps(fields).encode()

    return spoil


def content_of(line: bytes) -> str:
    """The model's answer in a line."""
    return str(json.loads(line)["response"]["body"]["choices"][0]["message"]["content"])


READABLE: dict[str, Spoil] = {
    "a byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "CRLF": lambda line: line + b"\r",
    "empty lines around": lambda line: b"\n\r\n" + line + b"\n \n",
    "bad UTF-8 in the answer": lambda line: answering(material="glass#")(line).replace(b"glass#", b"glass\xff"),
    "half a character in the answer's bytes": lambda line: answering(material="#")(line).replace(b"#", b"\xed\xa0\x80"),
    "an escaped NUL in the answer": answering(material="glass\0"),
    "a lone surrogate beside the answer": lambda line: line.replace(b'"request_id": "', b'"request_id": "\\ud800'),
    "NaN as usage": using(prompt_tokens=float("nan"), completion_tokens=float("inf")),
    "1e999 as usage": lambda line: using(prompt_tokens=7)(line).replace(
        b'"prompt_tokens": 7', b'"prompt_tokens": 1e999'
    ),
    "a list as usage": lambda line: using(a=1)(line).replace(b'{"a": 1}', b"[1]"),
    "deep nesting beside the answer": lambda line: b'{"x": ' + b"[" * 500 + b"]" * 500 + b", " + line[1:],
    "a key twice": lambda line: b'{"custom_id": "job-fine", ' + line[1:],
    "a response and an error": lambda line: line.replace(b'"error": null', b'"error": {"code": "x"}'),
}
UNREADABLE: dict[str, tuple[Spoil, str]] = {
    "bad UTF-8 in the custom_id": (lambda line: line.replace(b'"job-odd"', b'"job-\xffodd"'), "result_missing"),
    "bad UTF-8 outside a string": (lambda line: b"\xff" + line, "result_missing"),
    "UTF-16": (lambda line: line.decode().encode("utf-16"), "result_missing"),
    "a NUL in the custom_id": (lambda line: line.replace(b'"job-odd"', b'"job-odd\\u0000"'), "result_missing"),
    "a NUL in a string": (lambda line: line.replace(b'"request_id": "', b'"request_id": "\0'), "result_missing"),
    "NULs after the line": (lambda line: line + b"\0" * 100, "result_missing"),
    "a lone surrogate in the custom_id": (
        lambda line: line.replace(b'"job-odd"', b'"job-odd\\ud800"'),
        "result_missing",
    ),
    "a lone surrogate in the answer": (answering(material="\ud800"), "result_invalid"),
    "a lone surrogate as the answer": (saying('{"itemName": "\ud800"}'), "result_invalid"),
    "NaN in the answer": (answering(confidence=float("nan")), "result_invalid"),
    "1e999 in the answer": (
        lambda line: answering(confidence=7)(line).replace(b'confidence\\": 7', b'confidence\\": 1e999'),
        "result_invalid",
    ),
    "a long number": (lambda line: b'{"x": ' + b"9" * 5_000 + b", " + line[1:], "result_missing"),
    "deep nesting in the answer": (saying("[" * 100_000), "result_invalid"),
    "deep nesting around it": (lambda line: b"[" * 100_000 + line, "result_missing"),
    "an answer of a megabyte": (answering(material="x" * 1_000_000), "result_invalid"),
    "a line of 40 MB": (lambda line: b'{"x": "' + b"x" * 40_000_000 + b'", ' + line[1:], "result_missing"),
}


def test_the_spoilt_lines_are_spoilt() -> None:
    """Each changes a line; otherwise its test would prove nothing."""
    content = {"material": "glass", "confidence": 1}
    body = {"choices": [{"message": {"content": json.dumps(content)}}], "usage": {}}
    response = {"status_code": 200, "request_id": "x", "body": body}
    line = json.dumps({"custom_id": "job-odd", "response": response, "error": None}).encode()

    for spoil in [*READABLE.values(), *(spoil for spoil, _ in UNREADABLE.values())]:
        assert spoil(line) != line


@pytest.mark.parametrize("oddity", READABLE)
async def test_an_answer_is_read_in_spite_of(world: World, oddity: str) -> None:
    """It was paid for, and nothing of it is missing: both jobs of the batch are completed by their first attempt."""
    await submit_odd_and_fine(world, READABLE[oddity])

    await world.finish()

    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    assert [batch["malformedLines"] for batch in await world.batches()] == [0]
    await assert_promises_kept(world)


async def test_jobs_of_spoilt_lines_are_sent_again(world: World) -> None:
    """The answers are of no use, the next ones are; one job of the batch has its answer at once."""
    spoils = {f"odd-{number}": spoil for number, (spoil, _) in enumerate(UNREADABLE.values())}

    def edit(_: Batch, lines: list[bytes]) -> list[bytes]:
        return [spoilt(line) for line in lines] if any(b'"job-fine"' in line for line in lines) else lines

    def spoilt(line: bytes) -> bytes:
        job_id = str(json.loads(line)["custom_id"]).removeprefix("job-")
        if job_id not in spoils:
            return line
        own, odd = f'"job-{job_id}"'.encode(), b'"job-odd"'
        return spoils[job_id](line.replace(own, odd)).replace(odd, own)

    world.provider.script.edit_output = edit
    await world.give("alice", len(spoils) + 1)
    for job_id in (*spoils, "fine"):
        await world.write("alice", job_id)
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    assert len(await world.batches()) == 1

    await world.finish()

    ends = {job_id: (job["status"], job["attempts"]) for job_id, job in (await world.jobs()).items()}
    assert ends == dict.fromkeys(spoils, ("completed", 2)) | {"fine": ("completed", 1)}
    await assert_promises_kept(world)


@pytest.mark.parametrize("oddity", UNREADABLE)
async def test_a_job_fails_in_the_end_because_of(world: World, oddity: str) -> None:
    """Every answer to it is unusable: it is refunded, and no other job suffers."""
    spoil, code = UNREADABLE[oddity]
    await submit_odd_and_fine(world, spoil)

    await world.finish()

    odd, fine = await world.job("odd"), await world.job("fine")
    assert (odd["status"], odd["errorCode"], odd["attempts"]) == ("failed", code, 3)
    assert (fine["status"], fine["attempts"]) == ("completed", 1)
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("first", "second", "ending"),
    [
        ("answer", "other answer", "completed"),
        ("answer", "error", "completed"),
        ("answer", "line error", "completed"),
        ("error", "answer", "failed"),
        ("unknown error", "answer", "queued"),
        ("line error", "answer", "spared"),
    ],
)
async def test_of_two_lines_of_one_job_the_first_counts(world: World, first: str, second: str, ending: str) -> None:
    """Whatever the second says, the job is settled once: by one result, one refund, or one retry."""

    def lines_of(line: bytes) -> bytes:
        response = json.loads(line)
        error = {"status_code": 400, "body": {"error": {"code": "context_length_exceeded"}}}
        unknown = {"status_code": 400, "body": {"error": {"code": "x"}}}
        said = {
            "unknown error": json.dumps({**response, "response": unknown}).encode(),
            "answer": answering(itemName="the first")(line),
            "other answer": answering(itemName="the second")(line),
            "error": json.dumps({**response, "response": error}).encode(),
            "line error": json.dumps({**response, "response": None, "error": {"code": "x"}}).encode(),
        }
        return said[first] + b"\n" + said[second]

    await submit_odd_and_fine(world, lines_of, times=1)
    await world.provider.settled()
    assert await world.tick() == 200

    odd = await world.job("odd")
    if ending in {"queued", "spared"}:
        # The same tick has sent it again already.
        assert (odd["status"], odd["attempts"]) == ("processing", 2 if ending == "queued" else 1)
    else:
        assert (odd["status"], odd["attempts"]) == (ending, 1)
        assert odd.get("result", {}).get("itemName") == ("the first" if ending == "completed" else None)
    assert (await world.job("fine"))["status"] == "completed"
    await world.finish()
    await assert_promises_kept(world)


async def test_an_answer_prevails_over_an_error_in_the_error_file(world: World) -> None:
    """The output is read first, so an answer that was paid for is delivered."""

    def also_an_error(_: Batch, lines: list[bytes]) -> list[bytes]:
        error = {"status_code": 400, "body": {"error": {"code": "x"}}}
        return [*lines, json.dumps({"custom_id": "job-odd", "response": error, "error": None}).encode()]

    world.provider.script.edit_errors = also_an_error
    await submit_odd_and_fine(world, lambda line: line)

    await world.finish()

    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    await assert_promises_kept(world)


async def test_a_batch_settles_no_job_of_another_open_batch(world: World) -> None:
    """A line for a job that is under way elsewhere is passed over; both jobs end by their own batches."""
    world.provider.hold("in_progress")
    await world.give("alice", 2)
    await world.submit("alice", "first")
    await world.submit("alice", "second")
    await world.provider.settled()

    def mixed_up(batch: Batch, lines: list[bytes]) -> list[bytes]:
        foreign = b"second" if b"first" in lines[0] else b"first"
        own = b"first" if b"first" in lines[0] else b"second"
        return [answering(itemName="mixed up")(lines[0]).replace(b"job-" + own, b"job-" + foreign), *lines]

    world.provider.script.edit_output = mixed_up
    first = (await world.job("first"))["batchId"]
    remote_id = (await world.read(f"ai_batches/{first}"))["remoteId"]
    await world.provider.expire(remote_id, answered=1)
    assert await world.tick() == 200

    assert (await world.job("first"))["status"] == "completed"
    second = await world.job("second")
    assert (second["status"], second["attempts"]) == ("processing", 1)
    assert (await world.read(f"ai_batches/{first}"))["unknownLines"] == 1
    world.provider.release()
    await world.finish()
    assert (await world.job("second"))["result"]["itemName"] != "mixed up"
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    await assert_promises_kept(world)


async def test_a_last_line_without_its_newline_counts(world: World) -> None:
    """A file need not end with a newline."""
    await submit_odd_and_fine(world, lambda line: line)
    await world.provider.settled()
    output = next(file for file in world.provider.files.values() if file.purpose == "batch_output")
    output.path.write_bytes(output.path.read_bytes().removesuffix(b"\n"))
    output.bytes -= 1

    await world.finish()

    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    await assert_promises_kept(world)


@pytest.mark.parametrize("line_bytes", [60_000_000, 7_000_000, 2_000])
async def test_memory_does_not_grow_with_the_output(world: World, line_bytes: int) -> None:
    """60 MB of output, in one line or in thousands, are read in a fraction of it."""
    stranger = {"custom_id": "job-stranger", "response": {"status_code": 200, "body": {"x": "x" * line_bytes}}}
    strangers = json.dumps(stranger).encode() + b"\n"

    def among_strangers(lines: Iterable[bytes]) -> Iterator[bytes]:
        for _ in range(max(1, 60_000_000 // line_bytes)):
            yield strangers
        yield from lines

    await submit_odd_and_fine(world, lambda line: line)
    await world.provider.settled()
    output = next(file for file in world.provider.files.values() if file.purpose == "batch_output")
    true_lines = output.path.read_bytes().splitlines(keepends=True)
    with output.path.open("wb") as content:
        content.writelines(among_strangers(true_lines))
    output.bytes = output.path.stat().st_size

    tracemalloc.start()
    try:
        assert await world.tick() == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 50_000_000
    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    await world.finish()
    await assert_promises_kept(world)


async def test_lines_with_reserved_ids_and_absurd_counts_spoil_nothing(world: World) -> None:
    """Firestore knows no document `__x__` and no integer above 64 bits; the other lines are settled."""

    def spoil(_: Batch, lines: list[bytes]) -> list[bytes]:
        absurd = json.loads(lines[0])
        absurd["response"]["body"]["usage"] = {"prompt_tokens": 10**19, "completion_tokens": -5}
        return [json.dumps({**absurd, "custom_id": "job-__x__"}).encode(), json.dumps(absurd).encode()]

    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.script.edit_output = spoil
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["usage"] == {"inputTokens": 0, "outputTokens": 0}
    await assert_promises_kept(world)


async def test_a_line_longer_than_any_answer_is_passed_over(world: World) -> None:
    """A line of 20 MB is malformed, and the one after it counts."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.script.edit_output = lambda _, lines: [b'"' + b"x" * 20_000_000 + b'"', *lines]
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.batches())[0]["malformedLines"] == 1


async def submit_odd_and_fine(world: World, spoil: Spoil, times: int | None = None) -> None:
    """Send two jobs in one batch; the line of the first is spoilt, so many times or always."""
    left = times

    def edit(_: Batch, lines: list[bytes]) -> list[bytes]:
        nonlocal left
        if left == 0 or not any(b'"job-odd"' in line for line in lines):
            return lines
        left = None if left is None else left - 1
        # The spoilt line comes first, where a file's own marks would stand.
        return [spoil(line) for line in lines if b'"job-odd"' in line] + [
            line for line in lines if b'"job-odd"' not in line
        ]

    world.provider.script.edit_output = edit
    await world.give("alice", 2)
    await world.write("alice", "odd")
    await world.write("alice", "fine")
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    assert len(await world.batches()) == 1
