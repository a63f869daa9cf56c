"""Validation of a batch's input file, line by line.

This is what the provider does while a batch is `validating`. Lines end at `\n` and nowhere else: U+2028 or
a bare carriage return is content. A blank line is no request and no JSON, so it is an error; the newline
that ends the last line is not. Memory holds one line and the custom_ids seen, never the file, and at most
`MAX_ERRORS` errors are listed. The body is only checked as far as the file's rules go (an object, one model
per file): what else is wrong with it is the answer to its line.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from local.provider_server.api import LINES_PER_TURN, InputCheck
from local.provider_server.batches import BatchError
from local.provider_server.errors import JsonObject

MAX_ERRORS = 100
LINE_KEYS = ("custom_id", "method", "url", "body")


async def check_input(lines: Iterable[bytes], endpoint: str, max_requests: int) -> InputCheck:
    """Read all lines once, giving way to other work between chunks of lines."""
    check = InputCheck(errors=[])
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        check.total = number
        if number % LINES_PER_TURN == 0:
            await asyncio.sleep(0)
        if number > max_requests:
            continue
        found = _check_line(line, number, endpoint, check, seen)
        if found is not None and len(check.errors) < MAX_ERRORS:
            check.errors.append(found)
    if check.total == 0:
        check.errors.append(BatchError("empty_file", "The input file contains no requests."))
    if check.total > max_requests:
        check.errors = [
            BatchError(
                "too_many_tasks",
                f"The input file contains {check.total} requests, the limit is {max_requests}.",
            )
        ]
    return check


def parse_line(line: bytes) -> Any:
    """Parse one line as UTF-8 JSON; ValueError if it is not."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_line(line: bytes, number: int, endpoint: str, check: InputCheck, seen: set[str]) -> BatchError | None:
    try:
        request = parse_line(line)
    except ValueError:
        return BatchError("invalid_json_line", "This line is not parseable as valid JSON.", line=number)
    if not isinstance(request, dict):
        return BatchError("invalid_json_line", "This line is not a JSON object.", line=number)
    return (
        _check_keys(request, number)
        or _check_custom_id(request["custom_id"], number, seen)
        or _check_target(request, number, endpoint)
        or _check_model(request["body"], number, check)
    )


def _check_keys(request: JsonObject, number: int) -> BatchError | None:
    for name in LINE_KEYS:
        if name not in request:
            return BatchError(
                "missing_required_parameter",
                f"Missing required parameter: '{name}'.",
                param=name,
                line=number,
            )
    for name in request:
        if name not in LINE_KEYS:
            return BatchError("unknown_parameter", f"Unknown parameter: '{name}'.", param=name, line=number)
    return None


def _check_custom_id(custom_id: Any, number: int, seen: set[str]) -> BatchError | None:
    if not isinstance(custom_id, str) or not custom_id:
        return BatchError("invalid_type", "The custom_id must be a non-empty string.", param="custom_id", line=number)
    if custom_id in seen:
        return BatchError(
            "duplicate_custom_id",
            f"The custom_id '{custom_id}' is used by an earlier line of this file; it must be unique.",
            param="custom_id",
            line=number,
        )
    seen.add(custom_id)
    return None


def _check_target(request: JsonObject, number: int, endpoint: str) -> BatchError | None:
    if request["method"] != "POST":
        return BatchError("invalid_method", "The method must be 'POST'.", param="method", line=number)
    if request["url"] != endpoint:
        return BatchError(
            "url_mismatch",
            f"The url of this request is not the endpoint of the batch, '{endpoint}'.",
            param="url",
            line=number,
        )
    return None


def _check_model(body: Any, number: int, check: InputCheck) -> BatchError | None:
    if not isinstance(body, dict):
        return BatchError("invalid_type", "The body must be a JSON object.", param="body", line=number)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        return BatchError(
            "missing_required_parameter",
            "Missing required parameter: 'body.model'.",
            param="body.model",
            line=number,
        )
    if check.model is None:
        check.model = model
    elif model != check.model:
        return BatchError(
            "model_mismatch",
            f"The model '{model}' differs from '{check.model}' of the first request; a file has one model.",
            param="body.model",
            line=number,
        )
    return None
