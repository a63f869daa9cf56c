"""An answer's schema as Anthropic's structured outputs take it.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs: bounds of numbers, texts and lists are refused
with a 400, and in a batch each line would end so. They are told in the description instead, where the model reads
them. What an answer must be is judged by the job type itself.
"""

from collections.abc import Mapping
from typing import Any, Final

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
# Kept as they are, where they stand.
_KEPT: Final = frozenset({"type", "enum", "const", "$ref", "title", "description", "required"})
# Each holds schemas.
_VARIANTS: Final = ("anyOf", "allOf")
_LEAST_ITEMS: Final = (0, 1)


def accepted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without the keywords that are refused; these stand in the description."""
    if "$ref" in schema and "$defs" not in schema:
        return {"$ref": schema["$ref"]}
    kept: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _KEPT or _is_kept(keyword, value):
            kept[keyword] = value
        elif keyword in {"properties", "$defs"}:
            kept[keyword] = {name: accepted(one) for name, one in value.items()}
        elif keyword in _VARIANTS:
            kept[keyword] = [accepted(one) for one in value]
        elif keyword == "oneOf":
            kept["anyOf"] = [accepted(one) for one in value]
        elif keyword == "items":
            kept[keyword] = accepted(value)
        elif keyword not in {"additionalProperties", "default"}:
            told[keyword] = value
    if kept.get("type") == "object":
        kept["additionalProperties"] = False
    if told:
        bounds = ", ".join(f"{keyword}: {value}" for keyword, value in told.items())
        kept["description"] = "\n\n".join(filter(None, [kept.get("description"), f"{{{bounds}}}"]))
    return kept


def _is_kept(keyword: str, value: Any) -> bool:
    return (keyword == "format" and value in _FORMATS) or (keyword == "minItems" and value in _LEAST_ITEMS)
