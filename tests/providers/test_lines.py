"""Lines to and from the provider: whatever stands in them, nothing breaks."""

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightshift import job_types
from nightshift.batches.limits import BatchFill, BatchLimits
from nightshift.errors import JobRefused
from nightshift.jobs.answer import Answer, NoAnswer, answer_of
from nightshift.providers import result_line
from nightshift.providers.openai.request import batch_line
from nightshift.providers.openai.result import read_line
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.values.ids import custom_id_of, job_id_of, names_a_document
from nightshift.values.lines import LineSplitter
from nightshift.values.trouble import Trouble

NAMES = st.sampled_from(
    [
        *("custom_id", "response", "error", "code", "status_code", "body", "choices"),
        *("message", "content", "refusal", "finish_reason", "usage", "prompt_tokens"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([200, "job-a", "stop"])
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=6)
)


@given(st.binary() | ANY_JSON.map(lambda fields: json.dumps(fields).encode()))
def test_no_line_breaks_the_parser(line: bytes) -> None:
    """Any bytes are a line of a job, or none."""
    result = read_line(line)

    assert result is None or job_id_of(f"job-{result.job_id}") == result.job_id


@given(ANY_JSON, ANY_JSON)
def test_no_answer_breaks_the_judge(response: object, error: object) -> None:
    """Whatever a provider says of a job, it is a validated answer, or the reason why the job has no answer."""
    fields = {"custom_id": "job-a", "response": response, "error": error}
    line = read_line(json.dumps(fields).encode())
    assert line is not None

    verdict = answer_of(line, job_types.find("photo_rating"))

    assert isinstance(verdict, Answer | NoAnswer)
    assert line.usage.input_tokens >= 0


@given(
    st.builds(
        ResultLine,
        job_id=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True).filter(names_a_document),
        text=st.none() | st.text(st.characters(exclude_categories=())),
        stop=st.sampled_from(["end", "length", "refusal", "other"]),
        trouble=st.none() | st.sampled_from(Trouble),
        code=st.sampled_from(["", "server_error"]),
    )
)
@example(ResultLine(job_id="a", text='"\n\u2028\x85\0\ud83d'))
def test_a_line_of_ours_is_read_as_it_was_written(line: ResultLine) -> None:
    """It is one line, whatever its text holds, half a character included."""
    stored = result_line.written(line)

    assert stored.count(b"\n") == 1
    assert result_line.read(stored) == line


@given(st.binary() | ANY_JSON.map(lambda fields: json.dumps(fields).encode()))
def test_any_bytes_are_a_line_of_ours_or_none(line: bytes) -> None:
    """Also what was not written by us."""
    read = result_line.read(line)
    assert read is None or result_line.read(result_line.written(read)) == read


def test_a_trouble_that_this_version_does_not_know_may_pass() -> None:
    """A newer version has stored it: no attempt is spent for it."""
    read = result_line.read(b'{"jobId":"a","trouble":"struck_by_lightning"}')
    assert read is not None
    assert read.trouble is Trouble.PROVIDER


@given(st.lists(st.sampled_from([b"a", b"bc", b" ", b"\r", b"\n", b"\n\n", "\u2028".encode()]), max_size=30), st.data())
def test_lines_are_found_however_a_stream_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    """Each line once, without the blank ones, and the last one without its newline."""
    content = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    splitter, found = LineSplitter(), list[bytes | None]()
    for start, end in itertools.pairwise([0, *cuts, len(content)]):
        found += splitter.feed(content[start:end])

    assert found + splitter.end() == [line for line in content.split(b"\n") if line.strip()]


@given(st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True).filter(names_a_document))
def test_a_custom_id_names_its_job(job_id: str) -> None:
    """The way there and back, within the 64 characters of the strictest provider."""
    assert job_id_of(custom_id_of(job_id)) == job_id
    assert len(custom_id_of(job_id)) <= 64


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1)), max_size=40),
    st.integers(1, 2_000),
    st.floats(0, 5),
)
def test_a_batch_never_holds_more_than_its_limits(lines: list[tuple[int, int, float]], tokens: int, usd: float) -> None:
    """A full batch keeps every limit; only the first request of an idle lane may pass the token limit."""
    room = BatchFill(limits=BatchLimits(requests=10, bytes=2_000, tokens=tokens, lane_is_idle=True, usd=usd))
    for line in lines:
        room = room.with_line(*line) or room

    assert room.requests <= 10
    assert room.bytes <= 2_000
    assert room.tokens <= tokens or room.requests == 1
    assert room.usd <= usd


# Half characters, and the words of a line, are more likely here than by chance.
HOSTILE = st.lists(
    st.sampled_from(
        [
            *('"}\n{"custom_id":"job-other"}', '"}]}],"max_completion_tokens":1,"x":"', "\\", '\\"', "\\u0022", "\r\n"),
            *(
                "\u2028",
                "\u2029",
                "\x85",
                "\x00",
                "\x1a",
                "\ufeff",
                "\ud83d",
                "\ude00",
                "😀",
                "é",
                "</s>",
                "<|im_end|>",
            ),
        ]
    )
    | st.text(st.characters(exclude_categories=())),
    max_size=8,
).map("".join)


def joined_halves(text: str) -> str:
    """The text as every reader of JSON sees it: two halves of a character that stand side by side are that character.

    UTF-8, and so Firestore, has no halves; Python's strings have them.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@given(st.lists(HOSTILE, min_size=1, max_size=5), st.sampled_from(sorted(job_types.registered())))
@example(["\ud83d\ude00", "\ude00\ud83d", "\ud83d"], "waste_classification")
def test_no_text_alters_its_line_or_anothers(texts: list[str], type_name: str) -> None:
    """A file of hostile texts has a line for each: its own id, the words as content of the user, the rest untouched."""
    job_type = job_types.find(type_name)
    requests = [
        Request(
            job_id=f"job{place}",
            model="gpt-5-mini",
            instructions=job_type.instructions,
            text=text,
            image=text,
            schema=job_type.schema(),
            schema_name=type_name,
            max_output_tokens=job_type.max_output_tokens,
        )
        for place, text in enumerate(texts)
    ]
    file = b"".join(batch_line(request) + b"\n" for request in requests)

    lines = file.decode("ascii").splitlines()

    assert len(lines) == len(texts)
    for place, (line, text) in enumerate(zip(lines, map(joined_halves, texts), strict=True)):
        content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": text}}]
        schema = {"name": type_name, "strict": True, "schema": job_type.schema()}
        assert json.loads(line) == {
            "custom_id": f"job-job{place}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "gpt-5-mini",
                "messages": [
                    {"role": "system", "content": job_type.instructions},
                    {"role": "user", "content": content if text else []},
                ],
                "max_completion_tokens": job_type.max_output_tokens,
                "response_format": {"type": "json_schema", "json_schema": schema},
            },
        }


@given(HOSTILE, st.dictionaries(st.text(max_size=20), ANY_JSON, max_size=3))
def test_an_input_is_bounded_and_holds_nothing_else(text: str, others: dict[str, object]) -> None:
    """What passes the check has a text of at most 8,000 characters, and no field that the job type did not name."""
    job_type = job_types.find("waste_classification")
    try:
        job_input = job_type.check_input({"text": text * 300} | others)
    except JobRefused as refused:
        assert refused.code == "invalid_input"
        assert len(refused.message) <= 500
    else:
        assert len(job_input.text or "") <= 8_000
        assert set(others) <= {"text", "imageUri"}


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.text(max_size=3))
def test_no_name_of_a_field_that_a_client_made_up_fills_the_refusal(name: str, text: str) -> None:
    """The sentence that the person reads stays one sentence, however long the names in the input are."""
    with pytest.raises(JobRefused) as refused:
        job_types.find("waste_classification").check_input({"text": "a", f"{name}!{text}" * 50: 1})
    assert len(refused.value.message) <= 500
