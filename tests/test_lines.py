"""Lines to and from the provider: whatever stands in them, nothing breaks."""

import json

from hypothesis import given
from hypothesis import strategies as st

from nightshift import job_types
from nightshift.model.batch import BatchLimits, Room
from nightshift.model.job import custom_id_of, job_id_of, names_a_document
from nightshift.model.result_line import Answer, NoAnswer, answer_of, parse_result_line, usage_of

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
    result = parse_result_line(line)

    assert result is None or job_id_of(f"job-{result.job_id}") == result.job_id


@given(ANY_JSON, ANY_JSON)
def test_no_answer_breaks_the_judge(response: object, error: object) -> None:
    """Whatever a provider says of a job, it is a validated answer or a reason why there is none."""
    fields = {"custom_id": "job-a", "response": response, "error": error}
    line = parse_result_line(json.dumps(fields).encode())
    assert line is not None

    verdict = answer_of(line, job_types.find("photo_rating"))

    assert isinstance(verdict, Answer | NoAnswer)
    assert usage_of(line).input_tokens >= 0


@given(st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True).filter(names_a_document))
def test_a_custom_id_names_its_job(job_id: str) -> None:
    """The way there and back, within the 64 characters of the strictest provider."""
    assert job_id_of(custom_id_of(job_id)) == job_id
    assert len(custom_id_of(job_id)) <= 64


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), max_size=40), st.integers(1, 2_000))
def test_a_batch_never_holds_more_than_its_limits(lines: list[tuple[int, int]], tokens: int) -> None:
    """A full batch keeps every limit; only the first request of an idle lane may pass the token limit."""
    room = Room(limits=BatchLimits(requests=10, bytes=2_000, tokens=tokens, lane_is_idle=True))
    for line_bytes, line_tokens in lines:
        room = room.with_line(line_bytes, line_tokens) or room

    assert room.requests <= 10
    assert room.bytes <= 2_000
    assert room.tokens <= tokens or room.requests == 1
