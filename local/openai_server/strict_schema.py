"""The rules of `strict: true`: the subset of JSON Schema that OpenAI's structured outputs accept.

From the guide "Structured model outputs": the root is an object and no anyOf; every object has
`additionalProperties: false` and requires all of its properties; a reference stands alone; up to 5,000
properties, 10 levels of nesting and 1,000 enum values; the keywords below and no others. What is popular
and yet refused: `default`, `minLength`, `maxLength`, `uniqueItems`, `oneOf`, `allOf`, `not`,
`patternProperties`.
"""

from typing import Any

from local.provider_server.errors import JsonObject
from local.provider_server.standin import resolve

# fmt: off
KEYWORDS = frozenset((
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref",
    "$defs", "definitions", "$schema", "title", "description", "format", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
))
# fmt: on
TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
MAX_PROPERTIES = 5_000
MAX_ENUM_VALUES = 1_000
MAX_DEPTH = 10

Path = tuple[str, ...]


class _BrokenRuleError(Exception):
    """The first rule that is broken."""


def strict_schema_fault(schema: JsonObject) -> str | None:
    """Say what is wrong with a schema, in the API's own words where they are known; None if nothing is."""
    try:
        if "anyOf" in schema:
            raise _BrokenRuleError("In context=(), 'anyOf' is not permitted at the root.")
        if schema.get("type") != "object":
            raise _BrokenRuleError(
                f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
            )
        _Walk(schema).check(schema, (), 1)
    except _BrokenRuleError as fault:
        return str(fault)
    return None


class _Walk:
    """One pass over a schema, counting what is limited in total."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._properties = 0
        self._enum_values = 0

    def check(self, schema: Any, path: Path, depth: int) -> None:
        if not isinstance(schema, dict):
            raise _BrokenRuleError(f"In context={path}, a schema must be an object.")
        if depth > MAX_DEPTH:
            raise _BrokenRuleError(f"In context={path}, more than {MAX_DEPTH} levels of nesting.")
        for keyword in schema:
            if keyword not in KEYWORDS:
                raise _BrokenRuleError(f"In context={path}, '{keyword}' is not permitted.")
        for group in ("$defs", "definitions"):
            for name, definition in (schema.get(group) or {}).items():
                self.check(definition, (*path, group, name), 1)
        if "$ref" in schema:
            self._check_reference(schema, path)
            return
        for place, variant in enumerate(schema.get("anyOf", ())):
            self.check(variant, (*path, "anyOf", str(place)), depth)
        self._check_type(schema, path)
        self._enum_values += len(schema.get("enum", ()))
        if self._enum_values > MAX_ENUM_VALUES:
            raise _BrokenRuleError(f"more than {MAX_ENUM_VALUES} enum values in all.")
        types = schema.get("type")
        if types == "object" or (isinstance(types, list) and "object" in types) or "properties" in schema:
            self._check_object(schema, path, depth)
        if types == "array" or (isinstance(types, list) and "array" in types):
            if "items" not in schema:
                raise _BrokenRuleError(f"In context={path}, array schema missing items.")
            self.check(schema["items"], (*path, "items"), depth + 1)

    def _check_type(self, schema: JsonObject, path: Path) -> None:
        if "type" not in schema:
            if not {"anyOf", "enum", "const"} & schema.keys():
                raise _BrokenRuleError(f"In context={path}, schema must have a 'type' key.")
            return
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        for name in types:
            if name not in TYPES:
                raise _BrokenRuleError(f"In context={path}, '{name}' is not a valid type.")
        if "format" in schema and schema["format"] not in FORMATS:
            raise _BrokenRuleError(f"In context={path}, '{schema['format']}' is not a valid format.")

    def _check_object(self, schema: JsonObject, path: Path, depth: int) -> None:
        if schema.get("additionalProperties") is not False:
            raise _BrokenRuleError(
                f"In context={path}, 'additionalProperties' is required to be supplied and to be false."
            )
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        missing = [name for name in properties if name not in required]
        if missing:
            raise _BrokenRuleError(
                f"In context={path}, 'required' is required to be supplied and to be an array including "
                f"every key in properties. Missing '{missing[0]}'."
            )
        extra = [name for name in required if name not in properties]
        if extra:
            raise _BrokenRuleError(f"In context={path}, extra required key '{extra[0]}' supplied.")
        self._properties += len(properties)
        if self._properties > MAX_PROPERTIES:
            raise _BrokenRuleError(f"more than {MAX_PROPERTIES} properties in all.")
        for name, schema_of_property in properties.items():
            self.check(schema_of_property, (*path, "properties", name), depth + 1)

    def _check_reference(self, schema: JsonObject, path: Path) -> None:
        beside = set(schema) - {"$ref", "$defs", "definitions"}
        if beside:
            raise _BrokenRuleError(f"In context={path}, $ref cannot have keywords {beside}.")
        try:
            resolve(self._root, schema["$ref"])
        except (KeyError, TypeError, AttributeError):
            raise _BrokenRuleError(f"In context={path}, reference to component '{schema['$ref']}' not found.") from None
