"""Checks that every JSON request shares: known keys, required keys, types, metadata.

The wording follows the API's own messages, which name the parameter, so that a developer who knows the one
reads the other. Each function raises `ApiError` with status 400.
"""

from collections.abc import Collection
from typing import Any

from local.provider_server.errors import ApiError, JsonObject

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MIN_EXPIRY_SECONDS = 3_600
MAX_EXPIRY_SECONDS = 2_592_000


def refuse_unknown(arguments: JsonObject, known: Collection[str]) -> None:
    """Raise for the first key that the API does not know."""
    for name in arguments:
        if name not in known:
            raise ApiError(400, f"Unrecognized request argument supplied: {name}", param=name, code="unknown_parameter")


def require_string(arguments: JsonObject, name: str) -> str:
    """Return the non-empty string under `name`."""
    if name not in arguments:
        raise ApiError(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    text = arguments[name]
    if not isinstance(text, str):
        raise wrong_type(name, "a string", text)
    if not text:
        raise ApiError(400, f"Invalid '{name}': empty string.", param=name, code="empty_string")
    return text


def require_choice(arguments: JsonObject, name: str, choices: Collection[str]) -> str:
    """Return the string under `name`, which must be one of `choices`."""
    text = require_string(arguments, name)
    if text not in choices:
        supported = ", ".join(f"'{choice}'" for choice in choices)
        raise ApiError(
            400,
            f"Invalid value: '{text}'. Supported values are: {supported}.",
            param=name,
            code="invalid_value",
        )
    return text


def check_metadata(metadata: Any) -> dict[str, str] | None:
    """Return the metadata: at most 16 pairs of strings, keys up to 64 and values up to 512 characters."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise wrong_type("metadata", "an object", metadata)
    if len(metadata) > MAX_METADATA_PAIRS:
        raise ApiError(
            400,
            f"Invalid 'metadata': at most {MAX_METADATA_PAIRS} properties, got {len(metadata)}.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, text in metadata.items():
        if len(key) > MAX_METADATA_KEY:
            raise ApiError(
                400,
                f"Invalid 'metadata': key '{key}' is longer than {MAX_METADATA_KEY} characters.",
                param="metadata",
                code="property_name_above_max_length",
            )
        if not isinstance(text, str):
            raise wrong_type(f"metadata.{key}", "a string", text)
        if len(text) > MAX_METADATA_VALUE:
            raise ApiError(
                400,
                f"Invalid 'metadata.{key}': string longer than {MAX_METADATA_VALUE} characters.",
                param=f"metadata.{key}",
                code="string_above_max_length",
            )
    return metadata


def check_expiry(policy: Any, name: str) -> int | None:
    """Return the seconds of an expiration policy `{"anchor": "created_at", "seconds": 3600 to 2592000}`."""
    if policy is None:
        return None
    if not isinstance(policy, dict):
        raise wrong_type(name, "an object", policy)
    refuse_unknown(policy, ("anchor", "seconds"))
    require_choice(policy, "anchor", ("created_at",))
    seconds = policy.get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise wrong_type(f"{name}.seconds", "an integer", seconds)
    if not MIN_EXPIRY_SECONDS <= seconds <= MAX_EXPIRY_SECONDS:
        raise ApiError(
            400,
            f"Invalid '{name}.seconds': must be between {MIN_EXPIRY_SECONDS} and {MAX_EXPIRY_SECONDS}.",
            param=f"{name}.seconds",
            code="invalid_value",
        )
    return seconds


def wrong_type(name: str, expected: str, got: Any) -> ApiError:
    """The error for a value of the wrong JSON type."""
    return ApiError(
        400,
        f"Invalid type for '{name}': expected {expected}, but got {json_type(got)} instead.",
        param=name,
        code="invalid_type",
    )


def json_type(thing: Any) -> str:
    """The name of a value's JSON type, with its article, as the API's messages have it."""
    names = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return "null" if thing is None else names.get(type(thing), "an object")
