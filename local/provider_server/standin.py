"""An answer of the requested shape that no model gave, and that says so.

The stand-in makes an instance of the JSON schema that the request asks for. It is deterministic: the same user
content gets the same answer. Its one courtesy is that it reads the user's words: where the schema offers a
choice and the user's text names one of the values, it takes that one, so that a test or a demo can steer
it. Everything else follows from a hash. Free text always tells the reader where it comes from.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from local.provider_server.api import Question
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.standin_text import standin_text

PLAIN_ANSWER = "This is a stand-in answer: no model was asked."
# Beyond so many references inside one another, the shortest way out is taken.
DEEP = 2
DEFAULT_SPAN = 100
BARELY = Decimal("0.000001")  # what an exclusive bound excludes


def standin_content(question: Question) -> str:
    """What the stand-in says to a checked request."""
    if question.schema is None:
        return question.plain or PLAIN_ANSWER
    return json.dumps(StandIn(question.schema, question.seed, question.text).instance(), ensure_ascii=False)


def resolve(root: JsonObject, reference: str) -> Any:
    """What a local reference such as `#/$defs/Name` points at; KeyError if there is nothing."""
    place, *steps = reference.split("/")
    if place != "#":
        raise KeyError(reference)
    found: Any = root
    for step in steps:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


class StandIn:
    """Makes one instance of one schema for one request."""

    def __init__(self, root: JsonObject, seed: str, text: str) -> None:
        self._root = root
        self._seed = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
        self._text = text.lower()

    def instance(self) -> Any:
        """The instance of the whole schema."""
        return self._make(self._root, (), 0)

    def _make(self, schema: Any, path: tuple[str, ...], depth: int) -> Any:
        if not isinstance(schema, dict):  # `true` as a schema: anything
            schema = {"type": "string"}
        if "$ref" in schema:
            return self._make(resolve(self._root, schema["$ref"]), path, depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choose(schema["enum"], path)
        variants = schema.get("anyOf", schema.get("oneOf"))
        if variants:
            return self._make(self._choose_variant(variants, path, depth), path, depth)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = "null" if depth > DEEP and "null" in kind else self._pick(kind, path)
        return self._make_typed(kind, schema, path, depth)

    def _make_typed(self, kind: str, schema: JsonObject, path: tuple[str, ...], depth: int) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: {
                name: self._make(of_property, (*path, name), depth)
                for name, of_property in schema.get("properties", {}).items()
            },
            "array": lambda: self._make_array(schema, path, depth),
            "integer": lambda: self._make_number(schema, path, whole=True),
            "number": lambda: self._make_number(schema, path, whole=False),
            "boolean": lambda: self._below(2, path) == 1,
            "null": lambda: None,
            "string": lambda: standin_text(schema, path, self._below(1 << 48, path)),
        }
        return makers[kind]()

    def _below(self, limit: int, path: tuple[str, ...]) -> int:
        """A number from 0 up to `limit`, which depends on the request and the place alone."""
        digest = hashlib.sha256(self._seed + "/".join(path).encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def _pick(self, choices: list[Any], path: tuple[str, ...]) -> Any:
        return choices[self._below(len(choices), path)]

    def _choose(self, values: list[Any], path: tuple[str, ...]) -> Any:
        """The value that the user's text names first, or any."""
        named = [(place, value) for value in values if (place := self._mention(value)) is not None]
        return min(named, key=lambda pair: pair[0])[1] if named else self._pick(values, path)

    def _mention(self, value: Any) -> int | None:
        """Where the user's text has this value as a word; `single_use` is also found as `single use`."""
        if not isinstance(value, str) or not value:
            return None
        words = (re.escape(word) for word in re.split(r"[_\s-]+", value.lower()))
        found = re.search(r"(?<!\w)" + r"[_\s-]+".join(words) + r"(?!\w)", self._text)
        return found.start() if found else None

    def _choose_variant(self, variants: list[Any], path: tuple[str, ...], depth: int) -> Any:
        """A variant whose enum the user's text names, or any; far down, one that ends the recursion."""
        for variant in variants:
            target = variant
            while isinstance(target, dict) and "$ref" in target:
                target = resolve(self._root, target["$ref"])
            if isinstance(target, dict) and any(self._mention(value) is not None for value in target.get("enum", ())):
                return variant
        if depth > DEEP:
            return min(variants, key=lambda variant: ("$ref" in variant, variant.get("type") != "null"))
        return self._pick(variants, path)

    def _make_array(self, schema: JsonObject, path: tuple[str, ...], depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 3), least + 3)
        length = least if depth > DEEP else min(max(least, 1 + self._below(3, path)), most)
        return [self._make(schema.get("items"), (*path, str(place)), depth) for place in range(length)]

    def _make_number(self, schema: JsonObject, path: tuple[str, ...], *, whole: bool) -> int | float:
        """A number within the bounds, on the raster of `multipleOf` (1 for an integer, 0.01 for a number)."""
        step = Decimal(str(schema.get("multipleOf", 1 if whole else "0.01")))
        low, high = _bounds(schema)
        first, last = math.ceil(low / step), math.floor(high / step)
        if first > last and not whole and "multipleOf" not in schema:
            return float((low + high) / 2)
        if first > last:
            raise ApiError(400, f"The stand-in knows no number for the schema at {path}.", param="response_format")
        number = step * (first + self._below(last - first + 1, path))
        return int(number) if whole else float(number)


def _bounds(schema: JsonObject) -> tuple[Decimal, Decimal]:
    """The least and the greatest number that are allowed; where the schema sets none, a span of a hundred."""
    lows = [Decimal(str(schema["minimum"]))] if "minimum" in schema else []
    highs = [Decimal(str(schema["maximum"]))] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(Decimal(str(schema["exclusiveMinimum"])) + BARELY)
    if "exclusiveMaximum" in schema:
        highs.append(Decimal(str(schema["exclusiveMaximum"])) - BARELY)
    low = max(lows) if lows else None
    high = min(highs) if highs else None
    if low is None:
        low = Decimal(0) if high is None or high >= 0 else high - DEFAULT_SPAN
    if high is None:
        high = low + DEFAULT_SPAN
    return low, high
