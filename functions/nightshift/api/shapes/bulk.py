"""Bulk jobs, as the API takes and shows them."""

from typing import Any, Final, Literal

from pydantic import Field, JsonValue, StrictBool

from nightshift.api.shapes.common import ApiModel, PageAsked, Storable, Time, example
from nightshift.api.shapes.jobs import TypeName
from nightshift.bulk.bulk_job import (
    LONGEST_COLUMN,
    MOST_ITEMS_IN_DOCUMENT,
    MOST_TEMPLATE_FIELDS,
    BulkMode,
    BulkStatus,
    SourceRequest,
    Wish,
)
from nightshift.values.ids import JOB_ID
from nightshift.values.numbers import WholeNumber

_ID: Final = "Xq3vQ9aBcDk2mPz0RtYu"
_QUOTE: Final = {"items": 4980, "invalid": 20, "tokens": 4980, "tokensInstant": 24900, "estimatedUsd": 0.48}


class SkipItems(ApiModel):
    """Rows are left out whose key that bulk job has completed."""

    bulkId: str = Field(pattern=JOB_ID)


class BulkSource(SourceRequest):
    """A file that the caller has uploaded; `format`, `encoding` and `delimiter` are found, if they are left out."""


class NewBulkJob(ApiModel):
    """A bulk job as a client writes it: a `source` or `items`, one of them."""

    type: TypeName = Field(description="A registered job type.")
    mode: BulkMode = Field("batch", description="`batch` costs 1 token an item, `instant` 5; `auto` chooses.")
    source: BulkSource | None = None
    items: list[Storable] | None = Field(None, min_length=1, max_length=MOST_ITEMS_IN_DOCUMENT)
    template: dict[str, str] | None = Field(
        None,
        min_length=1,
        max_length=MOST_TEMPLATE_FIELDS,
        description="Of a field of the input its text: `{{column}}`.",
    )
    keyColumn: str | None = Field(None, min_length=1, max_length=LONGEST_COLUMN)
    dedupe: StrictBool | None = Field(None, description="Equal requests are asked, and paid, once.")
    skip: SkipItems | None = None
    maxTokens: WholeNumber | None = Field(
        None, ge=0, le=10**9, description="It begins by itself if it costs no more; else it waits for a confirmation."
    )

    model_config = example(
        type="waste_classification",
        source={"uri": "gs://my-project.firebasestorage.app/users/kX3vQ9aBcD/bulk/things.csv"},
        template={"text": "What is {{name}} made of?"},
        keyColumn="id",
        maxTokens=5_000,
    )


class CreatedBulkJob(ApiModel):
    """A bulk job that was just written. The same request with the same key gets the same answer."""

    id: str
    status: Literal["created"] = "created"
    createdAt: Time

    model_config = example(id=_ID, status="created", createdAt="2026-11-28T10:30:00.000Z")


class QuoteView(ApiModel):
    """What it costs, before any of it is charged."""

    items: int
    invalid: int = Field(description="Rows that can never be answered; they cost nothing.")
    tokens: int
    tokensInstant: int
    estimatedUsd: float | None = None
    duplicates: int | None = None
    skipped: int | None = None


class ItemCounts(ApiModel):
    """How many items are where."""

    total: int
    open: int
    completed: int
    failed: int
    cancelled: int


class EtaView(ApiModel):
    """When it is expected to end."""

    from_: Time = Field(alias="from")
    to: Time
    basis: str = Field(description="What the range rests on, for the person.")


class BulkJobView(ApiModel):
    """A bulk job."""

    id: str
    type: str | None = None
    mode: str | None = None
    speed: Literal["batch", "instant"] | None = Field(None, description="At whose price it is answered, once quoted.")
    status: BulkStatus
    wish: Wish | None = Field(None, description="What was asked for, until a worker has carried it out.")
    quote: QuoteView | None = None
    counts: ItemCounts | None = None
    progress: float | None = Field(None, description="0 to 1.")
    eta: EtaView | None = Field(None, description="From the quote on; none while it is paused.")
    errorCode: str | None = None
    errorMessage: str | None = None
    firstErrors: list[dict[str, JsonValue]] | None = Field(None, description="Up to 20 of `row`, `code`, `message`.")
    files: dict[str, JsonValue] | None = Field(None, description="At the end; `…/download` gives links to them.")
    createdAt: Time | None = None
    startedAt: Time | None = None
    completedAt: Time | None = None

    model_config = example(
        id=_ID,
        type="waste_classification",
        mode="batch",
        status="running",
        quote=_QUOTE,
        counts={"total": 5000, "open": 1200, "completed": 3770, "failed": 30, "cancelled": 0},
        progress=0.76,
        eta={
            "from": "2026-11-28T11:10:00.000Z",
            "to": "2026-11-28T12:40:00.000Z",
            "basis": "By how long the last 200 took.",
        },
        createdAt="2026-11-28T10:30:00.000Z",
    )


class BulkJobPage(ApiModel):
    """The caller's bulk jobs, the newest first."""

    bulkJobs: list[BulkJobView]
    nextPageToken: str | None = None

    model_config = example(bulkJobs=[{"id": _ID, "status": "running"}])


class Confirmation(ApiModel):
    """What it may cost."""

    maxTokens: WholeNumber | None = Field(None, ge=0, le=10**9, description="Left out = what the quote says.")

    model_config = example(maxTokens=5_000)


class RetryLimit(ApiModel):
    """What running the rest again may cost."""

    maxTokens: WholeNumber | None = Field(
        None, ge=0, le=10**9, description="It begins by itself if it costs no more; left out = it waits in `quoted`."
    )

    model_config = example(maxTokens=30)


class WishAccepted(ApiModel):
    """The wish is on record, and a worker was called; the tick sees to it, too."""

    id: str
    wish: Wish

    model_config = example(id=_ID, wish="cancel")


class ItemsAsked(PageAsked):
    """Which items."""

    status: Literal["open", "completed", "failed", "cancelled"] | None = None


class ItemView(ApiModel):
    """One row of the source, and what became of it."""

    row: int = Field(description="In the source, from 1.")
    key: str | None = None
    columns: dict[str, Any]
    status: Literal["open", "completed", "failed", "cancelled"] | None = Field(
        None, description="Left out of a row that equals an earlier one."
    )
    sameAs: int | None = Field(None, description="The earlier row: what became of it holds for this one.")
    result: dict[str, JsonValue] | None = None
    errorCode: str | None = None
    errorMessage: str | None = None

    model_config = example(row=1, key="4711", columns={"id": "4711", "name": "bottle"}, status="completed", result={})


class ItemPage(ApiModel):
    """Items in the order of the source."""

    items: list[ItemView]
    nextPageToken: str | None = None

    model_config = example(items=[{"row": 2, "columns": {"id": "4712"}, "status": "open"}])


class DownloadAsked(ApiModel):
    """Which result file."""

    format: Literal["csv", "jsonl", "zip", "errors"] = Field("csv")


class Download(ApiModel):
    """A link to a result file, for a while. It needs no token: with it the file can be read."""

    url: str
    name: str
    expiresAt: Time

    model_config = example(
        url="https://storage.googleapis.com/my-project-nightshift/bulk/…?X-Goog-Signature=…",
        name="results.csv",
        expiresAt="2026-11-28T10:45:00.000Z",
    )
