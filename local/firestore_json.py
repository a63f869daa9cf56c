"""Firestore's REST form of a document's fields, as the app's requests carry it.

https://cloud.google.com/firestore/docs/reference/rest/v1/Value
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def to_value(content: Any) -> dict[str, Any]:  # noqa: PLR0911 - one return per kind of value
    """The REST form of a string, a number, a boolean, None, a mapping or a list."""
    match content:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": content}
        case int():
            return {"integerValue": str(content)}
        case float():
            # JSON has no other numbers, so these are texts: https://protobuf.dev/programming-guides/json/
            return {"doubleValue": content if isfinite(content) else _NOT_FINITE[str(content)]}
        case str():
            return {"stringValue": content}
        case Mapping():
            return {"mapValue": {"fields": to_fields(content)}}
        case _:
            return {"arrayValue": {"values": [to_value(one) for one in content]}}


def to_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The REST form of a document's fields."""
    return {name: to_value(content) for name, content in fields.items()}


def from_value(value: Mapping[str, Any]) -> Any:
    """What a REST value holds; a timestamp stays text."""
    ((kind, content),) = value.items()
    match kind:
        case "integerValue":
            return int(content)
        case "mapValue":
            return from_fields(content.get("fields", {}))
        case "arrayValue":
            return [from_value(one) for one in content.get("values", [])]
        case _:
            return content


def from_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a document in REST form."""
    return {name: from_value(value) for name, value in fields.items()}
