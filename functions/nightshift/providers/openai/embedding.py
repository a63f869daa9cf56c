"""A text as a vector, in OpenAI's format: https://platform.openai.com/docs/api-reference/embeddings/create.

A request holds one text, so that a line of a batch is one job's. The vector travels on as the text of an answer:
`{"vector": [0.1, …]}`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage

EMBEDDINGS: Final = "/v1/embeddings"


def embedding_body(request: Request) -> dict[str, Any]:
    """The body of a call, or of a line."""
    return {
        "model": request.model,
        "input": request.text or "",
        "dimensions": request.dimensions,
        "encoding_format": "float",
    }


def read_embedding(job_id: str, body: Mapping[str, Any]) -> ResultLine | None:
    """The vector in an answer; None if the answer is no list of embeddings."""
    listed = body.get("data")
    if body.get("object") != "list" or not isinstance(listed, list):
        return None
    first = listed[0] if listed and isinstance(listed[0], dict) else {}
    usage = body.get("usage")
    used = Usage.counted(input_tokens=usage.get("prompt_tokens") if isinstance(usage, dict) else 0, output_tokens=0)
    vector = first.get("embedding")
    if not isinstance(vector, list):
        return ResultLine(job_id=job_id, trouble=Trouble.PROVIDER, code="no_embedding", usage=used)
    return ResultLine(job_id=job_id, text=json.dumps({"vector": vector}), stop="end", usage=used)
