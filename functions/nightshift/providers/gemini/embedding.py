"""A text as a vector, in Gemini's format: https://ai.google.dev/api/embeddings.

A line holds one text, so that it is one job's. The vector travels on as the text of an answer: `{"vector": [0.1, …]}`.

A vector names no text. So unlike an object (request.py), it cannot prove to which request it belongs: of a batch's
lines the key is believed. docs/FAILURES.md says so.
"""

import json
from collections.abc import Mapping
from typing import Any

from nightshift.providers.fields import number_of, object_of
from nightshift.providers.http_api import sendable
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage


def embedding_body(request: Request) -> dict[str, Any]:
    """The body of a call, or of a line."""
    return {
        "content": {"parts": [{"text": sendable(request.text or "")}]},
        "outputDimensionality": request.dimensions,
    }


def read_embedding(job_id: str, response: Mapping[str, Any]) -> ResultLine | None:
    """The vector in a response; None if the response holds none. A batch counts its tokens line by line."""
    if "embedding" not in response:
        return None
    counted = object_of(response.get("usageMetadata")).get("promptTokenCount") or response.get("tokenCount")
    used = Usage.counted(input_tokens=number_of(counted), output_tokens=0)
    vector = object_of(response["embedding"]).get("values")
    if not isinstance(vector, list):
        return ResultLine(job_id=job_id, trouble=Trouble.PROVIDER, code="no_embedding", usage=used)
    return ResultLine(job_id=job_id, text=json.dumps({"vector": vector}), stop="end", usage=used)
