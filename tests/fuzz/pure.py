"""The pure parts by themselves, where an input costs next to nothing: what is believed of a line, a batch, a document.

They raise what their docstrings say, and nothing else, whatever they are given.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st
from openai.types import Batch as ApiBatch
from pydantic import ValidationError

from nightshift.batches.documents import readable
from nightshift.errors import JobRefused
from nightshift.job_types import registered
from nightshift.job_types.base import MAX_RESULT_BYTES
from nightshift.jobs.job import Job, JobRequest
from nightshift.jobs.settlement import Completed, Failed, settlement_of
from nightshift.ledger.entries import charge
from nightshift.ledger.wallet import Wallet
from nightshift.providers import result_line as stored
from nightshift.providers.base import ProviderTrouble
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.providers.openai.errors import translated_errors
from nightshift.providers.openai.result import read_line
from nightshift.values.ids import job_id_of
from nightshift.values.lane import Lane
from tests.fuzz.batch_objects import LIKELY
from tests.fuzz.contract import ERROR_CODES, is_count
from tests.fuzz.documents import DOCUMENTS, WALLET
from tests.fuzz.kind import Kind
from tests.fuzz.lines import ANY_LINE
from tests.fuzz.values import ANY_FIRESTORE, ANY_JSON, mutated
from tests.support.world import World

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LANE: Final = Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini")
_BATCH_DOCUMENT: Final = {
    "status": "submitted",
    "lane": str(_LANE),
    "jobCount": 2,
    "estimatedTokens": 900,
    "counts": {"completed": 0, "failed": 0, "retried": 0, "cancelled": 0},
    "usage": {"inputTokens": 1, "outputTokens": 1},
    "createdAt": _NOW,
    "submittedAt": _NOW,
}


def _judge_line(line: bytes) -> None:
    result = read_line(line)
    if result is None:
        return
    assert job_id_of(f"job-{result.job_id}") == result.job_id
    assert is_count(result.usage.input_tokens)
    assert stored.read(stored.written(result)) == result
    for job_type in (*registered(), "horoscope"):
        job = Job(
            job_id=result.job_id,
            user_id="alice",
            type=job_type,
            input={},
            status="processing",
            lane=str(_LANE),
            batch_id="one",
            attempts=2,
            former_batch_ids=(),
            update_time=_NOW,
        )
        settlement = settlement_of(job, _LANE, result, 2)
        if isinstance(settlement, Completed):
            assert len(settlement.result.model_dump_json().encode()) <= MAX_RESULT_BYTES
            # Whatever is stored can be encoded.
            settlement.message.encode()
        elif isinstance(settlement, Failed):
            assert settlement.error_code in ERROR_CODES
            settlement.error_message.encode()
        else:
            # No attempt is left, so only what is not the job's own trouble brings it back.
            assert settlement.trouble and not settlement.trouble.spends_attempt, "no attempt is left"


def _read_request(document: dict[str, Any]) -> None:
    try:
        request = JobRequest.model_validate(document)
        for job_type in registered().values():
            job_type.check_input(request.input)
    except (ValidationError, JobRefused):
        return


def _read_wallet(document: dict[str, Any]) -> None:
    wallet = Wallet.read(document)
    assert all(
        isinstance(number, int) and abs(number) < 2**63
        for number in wallet.with_entry(charge("job-1", 5)).fields().values()
    )


def _read_remote(fields: dict[str, Any]) -> None:
    provider = OpenAIProvider(api_key="none", base_url="http://127.0.0.1:1/v1", project="fuzz")
    try:
        with translated_errors():
            remote = provider._remote(ApiBatch.construct(**fields))
    except ProviderTrouble:
        return
    assert remote.remote_id
    assert is_count(remote.completed)
    for text in (remote.remote_id, remote.batch_id, remote.output_file_id, remote.error_code, remote.error_message):
        assert text is None or len(text.encode()) <= 2_000, "a document holds it"


def _read_batch(document: dict[str, Any]) -> None:
    readable("one", document)


_REMOTE: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"id": st.just("batch_1") | ANY_JSON, "status": LIKELY["status"] | ANY_JSON},
    optional={
        "metadata": LIKELY["metadata"] | ANY_JSON,
        "errors": LIKELY["errors"] | ANY_JSON,
        "usage": LIKELY["usage"] | ANY_JSON,
        "request_counts": LIKELY["request_counts"] | ANY_JSON,
        "created_at": LIKELY["created_at"] | ANY_JSON,
        "output_file_id": ANY_JSON,
        "error_file_id": ANY_JSON,
    },
)
_CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "line": (ANY_LINE, _judge_line),
    "request": (DOCUMENTS, _read_request),
    "wallet": (mutated(WALLET, ANY_FIRESTORE), _read_wallet),
    "remote batch": (_REMOTE, _read_remote),
    "batch document": (mutated(_BATCH_DOCUMENT, ANY_FIRESTORE), _read_batch),
}


async def _play(_: World, example: tuple[str, Any]) -> int:
    name, content = example
    _CHECKS[name][1](content)
    return 1


KIND = Kind(
    name="pure",
    examples=st.one_of(*(st.tuples(st.just(name), strategy) for name, (strategy, _) in _CHECKS.items())),
    play=_play,
    share=15,
)
