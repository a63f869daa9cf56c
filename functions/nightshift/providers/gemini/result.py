"""A result line in Gemini's format, read as our own.

`{"key", "response": GenerateContentResponse} | {"key", "error": {"code", "message"}}`. Nothing in it is trusted: it may
be no JSON, name no job of ours, or hold an answer that is not what was asked for.

The key is not believed either (`request.py`): an answer belongs to the request that it names itself. One that names
none, since it was cut short or declined, decides nothing for good: it may be another request's.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from nightshift.providers.base import loggable_code
from nightshift.providers.fields import list_of, object_of
from nightshift.providers.gemini.codes import trouble_of_line
from nightshift.providers.gemini.embedding import read_embedding
from nightshift.providers.gemini.request import PROOF
from nightshift.providers.result_line import ResultLine, Stop
from nightshift.values.framed_json import framed_object
from nightshift.values.ids import job_id_of
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage, count_of

_STOPS: Final[Mapping[Any, Stop]] = {"STOP": "end", "MAX_TOKENS": "length"}
# https://ai.google.dev/api/generate-content#FinishReason
_DECLINED: Final = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"}
)
_UNPROVEN: Final = "key_unproven"


def read_line(line: bytes) -> ResultLine | None:
    """The line's job and what is said of it, or None for a line that names no job of ours."""
    try:
        fields = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return None
    job_id = _job_id(object_of(fields).get("key"))
    if job_id is None:
        return None
    if "response" not in fields:
        trouble, code = trouble_of_line(fields.get("error"))
        return _unproven(ResultLine(job_id=job_id, trouble=trouble, code=loggable_code(code) if code else ""))
    vector = read_embedding(job_id, object_of(fields["response"]))
    return vector or _proven(read_content(job_id, fields["response"]))


def read_content(job_id: str, body: Any) -> ResultLine:
    """A response, in a line or in real time; any other body is the provider's trouble."""
    response = object_of(body)
    usage = _usage(response.get("usageMetadata"))
    candidates = response.get("candidates")
    if object_of(response.get("promptFeedback")).get("blockReason"):
        return ResultLine(job_id=job_id, stop="refusal", usage=usage)
    if not isinstance(candidates, list) or not candidates:
        return ResultLine(job_id=job_id, trouble=Trouble.PROVIDER, code="no_candidate", usage=usage)
    candidate = object_of(candidates[0])
    parts = map(object_of, list_of(object_of(candidate.get("content")).get("parts")))
    # What it thought is no part of the answer.
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str) and part.get("thought") is not True]
    reason = candidate.get("finishReason")
    stop: Stop = "other"
    if isinstance(reason, str):
        stop = "refusal" if reason in _DECLINED else _STOPS.get(reason, "other")
    return ResultLine(job_id=job_id, text="".join(texts) if texts else None, stop=stop, usage=usage)


def _proven(line: ResultLine) -> ResultLine:
    """The line under the job that its answer names; one that names none says nothing of any job's own fault."""
    if line.trouble:
        return line
    try:
        answer = json.loads(line.text or "")
    except (ValueError, RecursionError):
        framed = framed_object(line.text or "")
        answer = json.loads(framed) if framed else None
    job_id = _job_id(object_of(answer).get(PROOF))
    if job_id is None:
        return _unproven(replace(line, text=None, trouble=Trouble.PROVIDER))
    text = json.dumps({name: value for name, value in answer.items() if name != PROOF}, ensure_ascii=False)
    return replace(line, job_id=job_id, text=text)


def _unproven(line: ResultLine) -> ResultLine:
    """A line whose key nothing proves: what would be final under it is asked again."""
    if line.trouble and (line.trouble.is_final or line.trouble.spends_attempt):
        return replace(line, stop="other", trouble=Trouble.PROVIDER, code=line.code or _UNPROVEN)
    return replace(line, stop="other", code=line.code or _UNPROVEN)


def _job_id(key: Any) -> str | None:
    return job_id_of(key) if isinstance(key, str) else None


def _usage(counted: Any) -> Usage:
    """What the model thought is counted beside the answer there, and within the output here."""
    usage = object_of(counted)
    return Usage.counted(
        input_tokens=count_of(usage.get("promptTokenCount")) + count_of(usage.get("toolUsePromptTokenCount")),
        output_tokens=count_of(usage.get("candidatesTokenCount")) + count_of(usage.get("thoughtsTokenCount")),
        cached_input_tokens=usage.get("cachedContentTokenCount"),
    )
