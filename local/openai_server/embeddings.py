"""`/v1/embeddings`: a text's vector that no model made."""

import math
from typing import Any

from local.provider_server.arguments import refuse_unknown, require_string
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.vectors import vector_of

ARGUMENTS = frozenset(("input", "model", "dimensions", "encoding_format", "user"))
# Of the text-embedding-3 models; also what `dimensions` may not exceed.
MOST_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
# https://platform.openai.com/docs/api-reference/embeddings/create
MOST_INPUTS = 2048
CHARACTERS_PER_TOKEN = 4


def embeddings(body: Any) -> JsonObject:
    """The list of embeddings that a request asks for. Raises ApiError (400) if the API would refuse it."""
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object.", code="invalid_type")
    refuse_unknown(body, ARGUMENTS)
    model = require_string(body, "model")
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_INPUTS:
        raise ApiError(400, "'input' must be a text, or a list of texts.", param="input", code="invalid_type")
    if not all(isinstance(text, str) and text for text in texts):
        raise ApiError(400, "'input' cannot be an empty string.", param="input", code="invalid_value")
    most = MOST_DIMENSIONS.get(model, 1536)
    dimensions = body.get("dimensions", most)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= most:
        raise ApiError(400, f"'dimensions' must be from 1 to {most}.", param="dimensions", code="invalid_value")
    if body.get("encoding_format", "float") != "float":
        raise ApiError(400, "This server knows the encoding 'float' only.", param="encoding_format")
    data = [
        {"object": "embedding", "index": index, "embedding": vector_of(text, dimensions)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(math.ceil(len(text) / CHARACTERS_PER_TOKEN) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}
