"""A result line: what a provider says of one job, in our own words. Each provider's adapter reads its format into it.

An adapter streams its results as our lines, one for each of its own, and so they are stored in Cloud Storage:
`{"jobId", "text", "stop", "usage", "trouble", "code"}`, each field but the first left out where it has nothing to say.
A line that names no job of ours is `{}`: it is counted, and settles nothing.

Nothing in it is trusted: the text may be no answer to what was asked.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from nightshift.values.ids import is_job_id
from nightshift.values.lines import LineSplitter
from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage

# Why an answer ends where it does: it is whole, it is cut off, the model declined, or for another reason.
Stop = Literal["end", "length", "refusal", "other"]
_STOPS: Final[tuple[Stop, ...]] = get_args(Stop)
_OF_NO_JOB: Final = b"{}\n"


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A line that names one of our jobs: the model's text, or why it has no text."""

    job_id: str
    text: str | None = None
    stop: Stop = "other"
    # The tokens that the provider counted for this line.
    usage: Usage = NOTHING_USED
    # None where the model said something.
    trouble: Trouble | None = None
    # The provider's own code for it, a single word.
    code: str = ""


def written(line: ResultLine | None) -> bytes:
    """A line as it is stored, with its newline; None is a line that names no job of ours."""
    if line is None:
        return _OF_NO_JOB
    fields: dict[str, Any] = {"jobId": line.job_id}
    if line.text is not None:
        fields["text"] = line.text
    if line.stop != "other":
        fields["stop"] = line.stop
    if line.usage != NOTHING_USED:
        fields["usage"] = line.usage.fields()
    if line.trouble:
        fields["trouble"] = line.trouble.value
    if line.code:
        fields["code"] = line.code
    # No longer than what it was read from: a text that is not ASCII is not escaped, and half a character stays one.
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def read(line: bytes) -> ResultLine | None:
    """A line as it was stored; None if it names no job of ours. Raises nothing."""
    try:
        fields = json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    job_id = fields.get("jobId") if isinstance(fields, dict) else None
    if not isinstance(job_id, str) or not is_job_id(job_id):
        return None
    text, stop, trouble, code = (fields.get(name) for name in ("text", "stop", "trouble", "code"))
    return ResultLine(
        job_id=job_id,
        text=text if isinstance(text, str) else None,
        stop=stop if stop in _STOPS else "other",
        usage=Usage.read(fields.get("usage")),
        # One that this version does not know may pass.
        trouble=None if trouble is None else Trouble.read(trouble) or Trouble.PROVIDER,
        code=code if isinstance(code, str) else "",
    )


async def as_our_lines(
    chunks: AsyncIterable[bytes], read_theirs: Callable[[bytes], ResultLine | None]
) -> AsyncIterator[bytes]:
    """A provider's stream of lines as a stream of ours: a line for a line, some whole lines at a time."""
    splitter = LineSplitter()

    def ours(lines: list[bytes | None]) -> bytes:
        return b"".join(written(read_theirs(line) if line is not None else None) for line in lines)

    async for chunk in chunks:
        if lines := splitter.feed(chunk):
            yield ours(lines)
    if lines := splitter.end():
        yield ours(lines)
