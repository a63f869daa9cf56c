"""A request: what a model is asked for one job, in our own words. Each provider's adapter renders it in its format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a model. It is the same in a batch and in real time."""

    job_id: str
    model: str
    instructions: str
    # The user's own words.
    text: str | None
    # Where the provider finds the image: an https URL, or a data URL.
    image: str | None
    # The JSON schema of the answer, in strict mode's form, and its name.
    schema: Mapping[str, Any]
    schema_name: str
    # A bound on the answer; reasoning tokens count.
    max_output_tokens: int
    # How many numbers the vector has that is asked for; None = an object of the schema is.
    dimensions: int | None = None
    # Where the provider finds the video, as an image.
    video: str | None = None
    # The schema as a text of JSON, by which its tokens are estimated; None = it is made for that.
    schema_text: str | None = None
