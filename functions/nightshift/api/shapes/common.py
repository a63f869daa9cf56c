"""What all bodies and answers have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, WithJsonSchema

MOST_ON_A_PAGE: Final = 100
_USUAL_PAGE: Final = 20


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# A time in an answer: UTC, with milliseconds.
Time = Annotated[
    datetime,
    PlainSerializer(_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


# Firestore's: https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
_LARGEST_INTEGER: Final = 2**63
_DEEPEST: Final = 15


def _storable(value: Any, depth: int = 0) -> Any:
    """A JSON value that a document can hold. Raises ValueError for any other."""
    match value:
        case bool() | None | str() | float():
            pass
        case int() if not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
            raise ValueError("a number is too large")
        case dict():
            if depth == _DEEPEST:
                raise ValueError("it is nested too deeply")
            for each in value.values():
                _storable(each, depth + 1)
        case list():
            if depth == _DEEPEST or any(isinstance(each, list) for each in value):
                raise ValueError("it is nested too deeply, or a list is directly in a list")
            for each in value:
                _storable(each, depth + 1)
    return value


# A JSON object of a client's that goes into a document.
Storable = Annotated[dict[str, JsonValue], AfterValidator(_storable)]


class ApiModel(BaseModel):
    """A body, a query or an answer. What it does not name is refused; an empty field is left out of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PageAsked(ApiModel):
    """Which page of a list is asked for."""

    pageSize: int = Field(_USUAL_PAGE, ge=1, le=MOST_ON_A_PAGE, description="How many, at most.")
    pageToken: str | None = Field(
        None, min_length=1, max_length=1_000, description="`nextPageToken` of the page before; none for the first."
    )


class ErrorDetail(ApiModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it is, as `jobs.0.input`.")
    reason: str


class ErrorBody(ApiModel):
    """Why a request was not done."""

    code: str = Field(description="For programs.")
    message: str = Field(description="For the person.")
    details: list[ErrorDetail] | None = None
    requestId: str = Field(description="The same is on the request's events in the log.")


class ErrorAnswer(ApiModel):
    """Every error has this form."""

    error: ErrorBody

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "invalid_request",
                        "message": "The body is not valid.",
                        "details": [{"field": "input", "reason": "Field required"}],
                        "requestId": "5f0c2d7a9b3e41d8a6c0",
                    }
                }
            ]
        }
    )


def example(**fields: Any) -> ConfigDict:
    """The configuration of a model with an example, which docs/openapi.yaml shows and a test validates."""
    return ConfigDict(json_schema_extra={"examples": [fields]})
