"""A bulk job: what a client may write into `bulk_jobs/{bulkId}`, and what the functions make of it.

    created → reading → quoted → running → exporting → completed
                                 running ⇄ paused
    any of them → failed | cancelled

| status | what is on record | what comes next |
|---|---|---|
| created | the client's fields | check them |
| reading | parts, each with the place in the source where it ends | read on, make the next part |
| quoted | the price | wait for a confirmation, or begin by itself within `maxTokens` |
| running | the charge; parts that wait, run and close | start parts, until each is closed |
| paused | the same | no part is started; what the provider has goes on |
| exporting | every item has ended | write the result files |

A wish of the user or an operator (`wishes.py`) is recorded in `wish` first. The process that advances the bulk job next
carries it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    model_validator,
)

from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.eta import Eta
from nightshift.values.ids import is_job_id, is_user_id
from nightshift.values.lane import Lane
from nightshift.values.numbers import WholeNumber
from nightshift.values.speed import Speed

BulkStatus = Literal[
    "created", "reading", "quoted", "running", "paused", "exporting", "completed", "failed", "cancelled"
]
BulkMode = Literal["batch", "instant", "auto"]
Wish = Literal["confirm", "pause", "resume", "cancel", "retry"]

OPEN: Final[tuple[BulkStatus, ...]] = ("created", "reading", "quoted", "running", "paused", "exporting")
# Those that count against a user's limit: they were checked, and have not ended.
ADMITTED: Final[tuple[BulkStatus, ...]] = ("reading", "quoted", "running", "paused", "exporting")
ENDED: Final[tuple[BulkStatus, ...]] = ("completed", "failed", "cancelled")
STATUSES: Final[tuple[BulkStatus, ...]] = (*OPEN, *ENDED)
WISHES: Final[tuple[Wish, ...]] = ("confirm", "pause", "resume", "cancel", "retry")

# Rows that fit into a document.
MOST_ITEMS_IN_DOCUMENT: Final = 1_000
MOST_TEMPLATE_CHARACTERS: Final = 8_000
MOST_TEMPLATE_FIELDS: Final = 20
LONGEST_COLUMN: Final = 200
LONGEST_URI: Final = 2_000
# How many failures a bulk job's document names.
MOST_FIRST_ERRORS: Final = 20


def _uid(uid: str) -> str:
    if not is_user_id(uid):
        raise ValueError("it is no user's id")
    return uid


def _bulk_id(given: Any) -> Any:
    """`{"bulkId": ID}`, or the id alone."""
    return given["bulkId"] if isinstance(given, dict) and given.keys() == {"bulkId"} else given


def _named(bulk_id: str) -> str:
    if not is_job_id(bulk_id):
        raise ValueError("it is no bulk job's id")
    return bulk_id


class SourceRequest(BaseModel):
    """Where the rows are: a file that the user uploaded. `None` = as it is found."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    uri: StrictStr = Field(min_length=1, max_length=LONGEST_URI)
    format: Literal["csv", "jsonl"] | None = None
    encoding: StrictStr | None = Field(None, max_length=20)
    delimiter: StrictStr | None = Field(None, min_length=1, max_length=4)


class BulkRequest(BaseModel):
    """The client's fields of a bulk job's document."""

    model_config = ConfigDict(strict=True, frozen=True)

    userId: Annotated[StrictStr, AfterValidator(_uid)]
    type: StrictStr = Field(min_length=1, max_length=100)
    mode: BulkMode = "batch"
    source: SourceRequest | None = None
    items: list[dict[str, Any]] | None = Field(None, max_length=MOST_ITEMS_IN_DOCUMENT)
    # Of an input's field its text, in which `{{column}}` stands for the row's value.
    template: dict[str, StrictStr] | None = Field(None, min_length=1, max_length=MOST_TEMPLATE_FIELDS)
    keyColumn: StrictStr | None = Field(None, min_length=1, max_length=LONGEST_COLUMN)
    dedupe: StrictBool = False
    skip: Annotated[StrictStr, BeforeValidator(_bulk_id), AfterValidator(_named)] | None = None
    maxTokens: WholeNumber | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "BulkRequest":
        if (self.source is None) == (self.items is None):
            raise ValueError("it needs either a source or items")
        if self.skip and not self.keyColumn:
            raise ValueError("skip needs a keyColumn")
        if sum(map(len, (self.template or {}).values())) > MOST_TEMPLATE_CHARACTERS:
            raise ValueError(f"the template has more than {MOST_TEMPLATE_CHARACTERS} characters")
        return self


@dataclass(frozen=True, kw_only=True)
class BulkQuote:
    """What a bulk job costs, before any of it is charged."""

    # Those that are to be answered.
    items: int
    # Rows that can never be; they fail, and cost nothing.
    invalid: int
    # What all items cost at the speed batch, and at the speed instant.
    tokens: int
    tokens_instant: int
    # What the provider is expected to bill us; None for a model without a listed price.
    estimated_usd: float | None
    # Rows that were left out: equal to an earlier one, or completed by the bulk job that `skip` names.
    duplicates: int = 0
    skipped: int = 0

    def tokens_at(self, speed: Speed) -> int:
        """What it costs at a speed."""
        return self.tokens_instant if speed == "instant" else self.tokens

    def fields(self) -> dict[str, Any]:
        """The field `quote` of the document."""
        left_out = {"duplicates": self.duplicates, "skipped": self.skipped}
        return {
            "items": self.items,
            "invalid": self.invalid,
            "tokens": self.tokens,
            "tokensInstant": self.tokens_instant,
            "estimatedUsd": self.estimated_usd,
            **{name: number for name, number in left_out.items() if number},
        }


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """A bulk job as read from its document; what does not fit is left empty. The client's request: `BulkRequest`."""

    bulk_id: str
    user_id: str
    type: str
    status: BulkStatus
    # When the document was written, by the server's clock.
    created_at: datetime
    update_time: datetime
    # What it may cost to begin by itself; None = it waits for a confirmation.
    max_tokens: float | None
    # From here on what the functions wrote. None before it was checked.
    lane: Lane | None
    # None before the quote.
    speed: Speed | None
    # Tokens an item; 0 before the quote.
    price: int
    # How many items a part holds.
    part_items: int
    # How many parts there are; 0 before all are read.
    parts: int
    # Which content of the source is read: another upload over it changes nothing. None = the rows are in the document.
    source_generation: int | None
    quote: Mapping[str, Any] | None
    counts: BulkCounts
    # From 0 to 1.
    progress: float
    # How often it was charged.
    charges: int
    # What its user or an operator wishes, until that is carried out.
    wish: Wish | None
    # What a confirmation may cost at most, or what a retry may.
    wish_tokens: int | None
    # In real time: what its answers have cost, and of that before the day on which it counts against the budget.
    cost_usd: float
    budget_day: str
    budget_before_usd: float
    # How it ends once its files are written.
    ends_as: Literal["completed", "cancelled"]
    error_code: str | None
    # When it began to run, and when its progress was last written.
    started_at: datetime | None
    progress_at: datetime | None
    # The first range of its end that rested on a measure; None before that.
    first_eta: Eta | None
    quoted_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it still has a step before it."""
        return self.status in OPEN

    @property
    def is_new(self) -> bool:
        """Whether nothing of it has been asked for yet."""
        return self.status in {"created", "reading", "quoted"}

    @property
    def is_cancelling(self) -> bool:
        """Whether it is to stop."""
        return self.wish == "cancel"
