"""`{{column}}` is filled in one pass, within bounds, and an unknown column is named with those that exist."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.bulk.template import Template
from nightshift.errors import JobRefused

ROW = {"name": "Ann", "photo": "gs://b/1.png", "note": "", "n": 7, "is": True, "list": [1, None]}


def refusal(fields: Any, columns: Any = None) -> str:
    """What a template, or its row, is answered."""
    with pytest.raises(JobRefused) as caught:
        template = Template(fields)
        template.check(list(ROW))
        template.fill(ROW if columns is None else columns)
    assert caught.value.code == "invalid_input"
    return caught.value.message


def test_each_place_gets_its_value() -> None:
    """Blanks in a place do not matter, other braces stay, and JSON values are written as JSON."""
    template = Template({"text": "A card for {{name}}, {{ n }}{{is}} {{list}} {x} {}}", "imageUri": "{{photo}}"})
    template.check(list(ROW))

    assert template.columns == ("name", "n", "is", "list", "photo")
    assert template.fill(ROW) == {"text": "A card for Ann, 7true [1,null] {x} {}}", "imageUri": "gs://b/1.png"}
    assert Template({"text": '{"a": {{n}}}'}).fill(ROW) == {"text": '{"a": 7}'}


def test_a_field_that_becomes_blank_is_left_out() -> None:
    """So an optional photo may be empty."""
    assert Template({"text": "{{name}}", "imageUri": " {{note}}"}).fill(ROW) == {"text": "Ann"}


def test_without_a_template_text_and_image_are_taken_as_they_are() -> None:
    """Either of them is enough; a value of JSON that is no text is written as JSON."""
    template = Template(None)
    template.check(["text", "other"])

    assert template.fill({"text": "{{name}}", "imageUri": "", "other": "x"}) == {"text": "{{name}}"}
    assert template.fill({"imageUri": "gs://b/1.png", "text": None}) == {"imageUri": "gs://b/1.png"}
    assert template.fill({"other": "x"}) == {}
    with pytest.raises(JobRefused) as caught:
        template.check(["a", "b"])
    assert "There are: a, b." in caught.value.message


@given(name=st.text(max_size=30), photo=st.text(max_size=30))
def test_a_value_is_never_expanded(name: str, photo: str) -> None:
    """Whatever it holds, and whatever stands beside it."""
    columns = {"name": name + "{{photo}}", "photo": photo}
    filled = Template({"text": "<{{name}}{{{name}}}>"}).fill(columns)
    assert filled == {"text": f"<{name}{{{{photo}}}}{{{name}{{{{photo}}}}}}>"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"text": "{{nam}} {{name}} {{pho}}"},
            "columns nam, pho, which the source has not. There are: name, photo, note,",
        ),
        ({"text": "{{name"}, "opens a {{"),
        ({"text": "{{}}"}, "opens a {{"),
        ({"text": "{{ }}"}, "opens a {{"),
        ({"text": "x" * 8_001}, "8,000 characters"),
        ({"text": "{{n}}" * 201}, "201 places"),
        ({str(number): "x" for number in range(21)}, "20 texts"),
    ],
    ids=str,
)
def test_a_template_that_cannot_be_filled_is_refused(fields: Any, said: str) -> None:
    """Before a row is read, with the columns that there are."""
    assert said in refusal(fields)


def test_a_row_that_lacks_a_column_or_becomes_too_long_is_refused() -> None:
    """By itself; a short row lacks its last columns."""
    assert "lacks the column name" in refusal({"text": "{{name}}"}, {"photo": "x"})
    started_at = time.process_time()
    assert "longer than 8,000" in refusal({"text": "{{name}}" * 200}, {"name": "x" * 131_000})
    assert time.process_time() - started_at < 1


def test_names_of_columns_are_shown_within_bounds() -> None:
    """A thousand of them, or one of 200 characters, do not fill a page."""
    with pytest.raises(JobRefused) as caught:
        Template({"text": "{{" + "x" * 200 + "}}"}).check([f"column {n}" for n in range(1_000)])
    assert "and 950 more" in caught.value.message
    assert len(caught.value.message) < 1_000
