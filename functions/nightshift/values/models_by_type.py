"""Models of single job types, as a setting lists them: `creative_scoring=anthropic:claude-haiku-4-5, …`."""

import re
from typing import Any, Final

from nightshift.values.model_name import ModelName

_JOB_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,99}")


def parse_models(text: Any) -> Any:
    """The model of each job type in a list `type=[provider:]model` with commas.

    Raises:
        ValueError: an entry has another form, names an unknown provider, or its job type comes twice.
    """
    if not isinstance(text, str):
        return text
    found: dict[str, str] = {}
    for entry in text.split(","):
        job_type, is_there, model = (part.strip() for part in entry.partition("="))
        if not is_there or not _JOB_TYPE.fullmatch(job_type) or job_type in found:
            raise ValueError("it is not like creative_scoring=anthropic:claude-haiku-4-5, each job type once")
        ModelName.parse(model)
        found[job_type] = model
    return found
