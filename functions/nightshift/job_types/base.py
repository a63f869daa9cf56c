"""What a job type is: the input that it takes, what the model is asked, and the answer that it promises."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, ValidationError, model_validator

from nightshift.errors import JobRefused
from nightshift.values.framed_json import framed_object
from nightshift.values.model_name import ModelName
from nightshift.values.speed import Speed
from nightshift.values.text import all_cleaned
from nightshift.values.texts import Text

MAX_TEXT_CHARACTERS = 8_000
MAX_ANSWER_CHARACTERS = 4_000
# A result is written into two documents in one commit: https://firebase.google.com/docs/firestore/quotas allows 1 MiB
# and 10 MiB.
MAX_RESULT_BYTES = 100_000
_LONGEST_REASONS = 400
_BETWEEN_NAMES = re.compile(r"[,;\n]")


def _bounded(text: str) -> str:
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise ValueError(f"longer than {MAX_ANSWER_CHARACTERS} characters")
    return text


# Text in an answer. Its bound is checked here and not in the schema: OpenAI's strict mode knows no maxLength
# (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
AnswerText = Annotated[str, AfterValidator(_bounded)]


class InputFault(ValueError):
    """What is wrong with an input, as a sentence that tells the person what to do. A validator raises it."""


def _short(text: str) -> str:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InputFault(Text.TEXT_TOO_LONG.say(characters=MAX_TEXT_CHARACTERS))
    return text


# Text in an input.
InputText = Annotated[StrictStr, AfterValidator(_short)]
# Where an image lies. The app made it, so a person cannot shorten it.
ImageUri = Annotated[StrictStr, Field(max_length=MAX_TEXT_CHARACTERS)]


def listed(text: Any) -> list[str]:
    """The names in a text with commas or lines between them, each once. A list as text fits into a table's cell."""
    names = _BETWEEN_NAMES.split(text) if isinstance(text, str) else []
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


class JobInput(BaseModel):
    """The client's `input`: text, an image, or both. A job type that needs more, or other things, extends it.

    Each field is bounded, here and in firestore.rules, which name the fields of all job types. A whole number is a
    `WholeNumber` (values/numbers.py), since some SDKs write each number as a double.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: InputText | None = None
    imageUri: ImageUri | None = None

    @property
    def video_uri(self) -> str | None:
        """The video of a type that takes one."""
        return getattr(self, "videoUri", None)

    @model_validator(mode="after")
    def _holds_something(self) -> "JobInput":
        if not (self.text and self.text.strip()) and not self.imageUri:
            raise InputFault(Text.ADD_TEXT_OR_PHOTO.say())
        return self


class JobResult(BaseModel):
    """The model's answer. Every field is required and nothing else is allowed, as strict mode demands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Fields that Firestore stores as vectors. A classification has them beside `result`, too: there `find_nearest`
    # looks.
    vectors: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _fits(self) -> "JobResult":
        if len(self.model_dump_json().encode()) > MAX_RESULT_BYTES:
            raise ValueError(f"longer than {MAX_RESULT_BYTES} bytes")
        return self


Result = TypeVar("Result", bound=JobResult)


@dataclass(frozen=True, kw_only=True)
class JobType(Generic[Result]):
    """One kind of question that an app may ask."""

    name: str
    # What the person reads on a notification.
    title: str
    instructions: str
    result_model: type[Result]
    # One line for the notification that says what came out.
    summarize: Callable[[Result], str]
    input_model: type[JobInput] = JobInput
    # What the model reads of an input, besides its image.
    words: Callable[[Any], str | None] = lambda job_input: job_input.text
    # What is wrong with an answer to this input, in one sentence without its end; None if nothing is. Of the input only
    # the fields in `judged_by` are there, and none is validated.
    fault: Callable[[Mapping[str, Any], Any], str | None] = lambda _, result: None
    judged_by: tuple[str, ...] = ()
    tokens: Mapping[Speed, int] = field(default_factory=lambda: {"batch": 1, "instant": 5})
    # As `[provider:]model`; None = NIGHTSHIFT_MODEL. NIGHTSHIFT_MODELS may name another.
    model: str | None = None
    # How many numbers the answer's vector has; None = the answer is an object of `result_model`.
    dimensions: int | None = None
    # Where a late or broken lane's jobs go, as `[provider:]model`; None = NIGHTSHIFT_FALLBACK_MODEL.
    fallback_model: str | None = None
    # Whether they go anywhere.
    falls_back: bool = True
    # A bound on what one answer may cost; reasoning tokens count.
    max_output_tokens: int = 4_000

    def __post_init__(self) -> None:
        """Refuse a model of an unknown provider. Raises ValueError."""
        for name in (self.model, self.fallback_model):
            if name is not None:
                ModelName.parse(name)

    def check_input(self, fields: Mapping[str, Any]) -> JobInput:
        """Validate a client's `input`. Raises JobRefused(invalid_input), whose message says what is wrong."""
        try:
            return self.input_model.model_validate(dict(fields))
        except ValidationError as invalid:
            raise JobRefused("invalid_input", _said(invalid), reasons(invalid, self.input_model)) from None

    def check_result(self, content: str) -> Result:
        """Validate the model's answer, a JSON text, perhaps in a frame; its own texts come out cleaned.

        Raises:
            ValidationError: pydantic's.
        """
        try:
            result = self._validated(content)
        except ValidationError as invalid:
            answer = framed_object(content) if _is_no_json(invalid) else None
            if answer is None:
                raise
            result = self._validated(answer)
        fields = result.model_dump(mode="json")
        clean = all_cleaned(fields)
        # What is left has to be an answer, too.
        return result if clean == fields else self._validated(json.dumps(clean))

    def _validated(self, content: str) -> Result:
        return self.result_model.model_validate_json(content, strict=True)

    def schema(self) -> dict[str, Any]:
        """The answer's JSON schema, in the form that strict mode accepts."""
        return _schema_of(self.result_model)

    def schema_text(self) -> str:
        """The same as a text of JSON."""
        return _schema_text_of(self.result_model)


def _is_no_json(invalid: ValidationError) -> bool:
    return invalid.error_count() == 1 and invalid.errors(include_input=False)[0]["type"] == "json_invalid"


@cache
def _schema_of(result_model: type[JobResult]) -> dict[str, Any]:
    # Built once: it takes ten times as long as the rest of a request line.
    return result_model.model_json_schema()


@cache
def _schema_text_of(result_model: type[JobResult]) -> str:
    return json.dumps(_schema_of(result_model))


def _said(invalid: ValidationError) -> str:
    """What the person reads of it: what a validator says; else the app is wrong, which no person can mend."""
    causes = (error.get("ctx", {}).get("error") for error in invalid.errors(include_input=False, include_url=False))
    faults = (str(cause) for cause in causes if isinstance(cause, InputFault))
    return next(faults, Text.REQUEST_UNREADABLE.say())


def reasons(invalid: ValidationError, model: type[BaseModel]) -> str:
    """What pydantic found wrong, for the log: without the values, and without names that others wrote."""
    found = "; ".join(
        f"{_place(error['loc'], model)}: {error['msg'].removeprefix('Value error, ')}"
        for error in invalid.errors(include_input=False, include_url=False, include_context=False)[:5]
    )
    return found if len(found) <= _LONGEST_REASONS else f"{found[: _LONGEST_REASONS - 1]}…"


def _place(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    if not location:
        return "the whole"
    field_name = location[0]
    return str(field_name) if field_name in model.model_fields else "an undeclared field"
