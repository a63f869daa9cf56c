"""What people read: one table of sentences, each for a person, and no other text in its way."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from pydantic import ValidationError

from local.part import ROOT
from nightshift import job_types
from nightshift.errors import JobRefused
from nightshift.job_types.base import reasons
from nightshift.jobs.job import JobRequest
from nightshift.values.table_texts import TableText
from nightshift.values.texts import Sentence, Text

# Words of programs and of our own workshop, which no user of an app knows.
NOT_FOR_A_PERSON = re.compile(
    r"[a-z][A-Z]|_|https?:|gs:|\b(batch|provider|field|document|input|deadline|admin|queue|token limit|null|JSON)\b"
)
# Their last argument is what a person reads.
SAID_IN: dict[str, int | str] = {"JobRefused": 1, "NoAnswer": "message", "InputFault": 0, "refused": 0}
# Words for who makes a table: the programs save it so, and its columns are named so.
OF_TABLES = re.compile(r"\bJSON\b|imageUri")
# An operator reads it, at a terminal.
FOR_OPERATORS = {"cannot_retry", "cannot_reprocess"}


@pytest.mark.parametrize("text", [*Text, *TableText])
def test_each_text_is_for_a_person(text: Sentence) -> None:
    """Whole sentences without a field's name, a library's wording or a word of our own workshop."""
    names = {name for _, name, _, _ in Formatter().parse(text.value) if name}
    said = text.say(**dict.fromkeys(names, 7))

    told = OF_TABLES.sub("", text.value) if isinstance(text, TableText) else text.value
    assert not NOT_FOR_A_PERSON.search(re.sub(r"\{.*?\}|Web[PM]", "", told)), said
    assert said[0].isupper() or said[0] == "7"
    assert said.endswith(".") or text.name.startswith(("TITLE_", "YOUR_"))
    assert all(len(sentence.split()) <= 20 for sentence in said.split(". ")), said


def test_what_a_person_reads_comes_from_the_table() -> None:
    """Nothing that ends a job is worded where it is raised; job types word what their own input lacks."""
    found = []
    for path in sorted((ROOT / "functions").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            said = _said(call)
            worded = isinstance(said, ast.JoinedStr) or (isinstance(said, ast.Constant) and isinstance(said.value, str))
            if worded and not (path.parent.name == "job_types" and _name(call) == "InputFault"):
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}")

    assert found == [], "values/texts.py is where such a sentence goes"


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _said(call: ast.Call) -> ast.expr | None:
    """The argument of a call that a person reads."""
    place = SAID_IN.get(_name(call))
    if isinstance(place, str):
        return next((keyword.value for keyword in call.keywords if keyword.arg == place), None)
    if place is None or len(call.args) <= place:
        return None
    code = call.args[0]
    return None if isinstance(code, ast.Constant) and code.value in FOR_OPERATORS else call.args[place]


@pytest.mark.parametrize(
    ("job_type", "fields", "message", "reason"),
    [
        ("waste_classification", {}, Text.ADD_TEXT_OR_PHOTO.say(), "the whole: Add a text or a photo."),
        ("photo_rating", {"text": "rate it"}, Text.ADD_PHOTO.say(), "the whole: Add a photo."),
        (
            "waste_classification",
            {"text": "x" * 8_001},
            "The text is too long. Send at most 8,000 characters.",
            "text: The text is too long. Send at most 8,000 characters.",
        ),
        (
            "waste_classification",
            {"text": 7},
            Text.REQUEST_UNREADABLE.say(),
            "text: Input should be a valid string",
        ),
        (
            "waste_classification",
            {"text": "a cup", "my secret \x1b[31m": 1},
            Text.REQUEST_UNREADABLE.say(),
            "an undeclared field: Extra inputs are not permitted",
        ),
    ],
    ids=["nothing", "no photo", "long", "no text", "another field"],
)
def test_a_wrong_input_is_told_to_the_person_and_explained_to_the_developer(
    job_type: str, fields: dict[str, object], message: str, reason: str
) -> None:
    """The sentence says what to do; the reason for the log says which field, and quotes nothing that a user wrote."""
    asked = job_types.find(job_type)

    with pytest.raises(JobRefused) as refused:
        asked.check_input(fields)

    assert (refused.value.message, refused.value.reason) == (message, reason)


def test_the_reason_names_each_field_that_is_wrong() -> None:
    """A developer sees at once what the app has to write."""
    with pytest.raises(ValidationError) as invalid:
        JobRequest.model_validate({"userId": "alice", "type": "", "speed": "fast", "input": {}})

    told = reasons(invalid.value, JobRequest)
    assert told.startswith("type: String should have at least 1 character; speed: Input should be ")


def test_the_page_for_apps_says_where_the_reason_stands() -> None:
    """A developer whose app is wrong reads the person's sentence, and is sent on."""
    page = Path(ROOT / "docs/APP.md").read_text()

    assert "`reason` of the event `job_refused`" in page
