"""A result line: what a provider says of one job, in our own words. Each provider's adapter reads its format into it.

Nothing in it is trusted: the text may be no answer to what was asked.
"""

from dataclasses import dataclass
from typing import Literal

from nightshift.values.trouble import Trouble
from nightshift.values.usage import NOTHING_USED, Usage

# Why an answer ends where it does: it is whole, it is cut off, the model declined, or for another reason.
Stop = Literal["end", "length", "refusal", "other"]


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A line that names one of our jobs: the model's text, or why there is none."""

    job_id: str
    text: str | None = None
    stop: Stop = "other"
    # The tokens that the provider counted for this line.
    usage: Usage = NOTHING_USED
    # None where the model said something.
    trouble: Trouble | None = None
    # The provider's own code for it.
    code: str = ""
