"""What surrounds one complete JSON object is looked past; nothing else is."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.values.framed_json import framed_object

OBJECT = '{"a": 1, "b": [{"c": "}{"}, "\\"{"]}'
# Words in which no object begins.
WORDS = st.text(st.characters(exclude_characters='"{['), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@pytest.mark.parametrize(
    "frame",
    [
        "{}}}",
        "{{}",
        "{}]",
        "({})",
        "```json\n{}\n```",
        "```\n{}```",
        "\ufeff{}",
        "{}\x00",
        "  \n{}\n\n\t.",
        "Here is the answer you asked for [as JSON]: {}",
        "{}\n\nI hope that helps { :-) ",
        'Fill in {{name}}: {} And then { "broken',
        "{}\n{}",
        "<answer>{}</answer>",
    ],
)
def test_the_object_in_a_frame_is_found_as_it_stands(frame: str) -> None:
    """Braces and brackets too many, fences, blanks, words; and the same answer once more."""
    assert framed_object(frame.replace("{}", OBJECT)) == OBJECT


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no object at all",
        OBJECT[:-1],
        OBJECT[1:],
        OBJECT.replace(":", "", 1),
        '{"answer": {"a": 1}',
        '{"answer": {"a": 1}, oops}',
        f"{OBJECT} {{}}",
        f'{OBJECT} {{"a": 2}}',
        f'first {{"a": 2}}, then {OBJECT}',
        f"[{OBJECT}] is the answer",
        f"[{OBJECT}",
        f'{OBJECT} [{{"a": 2}}]',
        f'["words"] {OBJECT}',
        '{"a": 01}',
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": "line\nend"}',
        "{" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000,
        '{"a": ' + "1" * 10_000 + "}",
    ],
)
def test_what_is_not_one_complete_object_is_not_taken(content: str) -> None:
    """Cut off, broken, two of them that differ, a list, deeper than anything can be read."""
    assert framed_object(content) is None


@given(OBJECTS, WORDS, WORDS)
def test_words_around_an_object_change_nothing(value: dict[str, Any], before: str, after: str) -> None:
    """Whatever is said before and after it, the object is found to the letter."""
    text = json.dumps(value)

    assert framed_object(f"{before}{text}{after}") == text


@given(OBJECTS, OBJECTS, WORDS)
def test_of_two_objects_none_is_chosen_unless_they_are_one(first: Any, second: Any, between: str) -> None:
    """An answer that contradicts itself is not taken."""
    found = framed_object(f"{json.dumps(first)}{between}{json.dumps(second)}")

    assert (found is not None) == (json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True))


@given(OBJECTS, st.data())
def test_a_part_of_an_object_is_not_taken(value: dict[str, Any], data: st.DataObject) -> None:
    """Cut off anywhere; what is complete inside of it is not the answer."""
    text = json.dumps({"answer": value})

    assert framed_object(text[: data.draw(st.integers(0, len(text) - 1))]) is None


@given(st.text(st.sampled_from('{}[]":,a1 \\\n\ufeff'), max_size=60))
def test_what_is_found_is_a_complete_object(content: str) -> None:
    """Whatever the content is."""
    found = framed_object(content)

    assert found is None or (found in content and isinstance(json.loads(found), dict))


@pytest.mark.parametrize("part", ["{", '{"', '{"a":', "[[", '{"a":1}', '{"a":1} {"', "{ \n", "x"])
def test_a_hostile_content_costs_little_time(part: str) -> None:
    """Of any length, and wherever a value seems to begin."""
    started = time.process_time()
    for length in (400_000, 5_000_000):
        framed_object(f"!{part * (length // len(part))}")
    assert time.process_time() - started < 0.5
