"""The rows of a bulk job's source, some at a time: from the file that it names, or from its document."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from nightshift.bulk import source_file
from nightshift.bulk.bulk_job import BulkJob, BulkRequest
from nightshift.bulk.source.checkpoint import Checkpoint
from nightshift.bulk.source.column_names import ColumnNames
from nightshift.bulk.source.opening import format_of, options_of
from nightshift.bulk.source.reader import SourceReader
from nightshift.bulk.source.row import Row
from nightshift.runtime import Runtime


class SourceRows:
    """The rows behind a checkpoint."""

    def __init__(
        self, runtime: Runtime, bulk: BulkJob, request: BulkRequest, checkpoint: Mapping[str, Any] | None
    ) -> None:
        self._runtime = runtime
        self._bulk = bulk
        self._request = request
        self._listed_from = checkpoint["row"] if checkpoint and request.items is not None else 0
        self._resumed = Checkpoint.from_fields(checkpoint) if checkpoint and request.source else None
        self._reader: SourceReader | None = None
        self._rows: AsyncIterator[Row] | None = None
        self._columns = ColumnNames(checkpoint.get("header", ()) if checkpoint else ())

    @property
    def columns(self) -> Sequence[str]:
        """The columns that were seen so far."""
        if self._reader and self._reader.checkpoint:
            return self._reader.checkpoint.header
        return list(self._columns)

    @property
    def has_all_columns(self) -> bool:
        """Whether no further row can bring another column: a CSV file names all of them first."""
        return bool(self._reader and self._reader.checkpoint and self._reader.checkpoint.format == "csv")

    def checkpoint_fields(self) -> dict[str, Any]:
        """The place behind the last row that was given, as a document holds it."""
        if self._reader and self._reader.checkpoint:
            return self._reader.checkpoint.fields()
        return {"row": self._listed_from, "header": list(self._columns)}

    async def next_rows(self, most: int) -> list[Row]:
        """The next rows; none at the end. Raises JobRefused if the source as a whole cannot be used, and TryLater."""
        if self._request.items is not None:
            rows = list(islice(self._listed(), most))
            self._listed_from += len(rows)
            return rows
        if self._rows is None:
            self._rows = self._read()
        found: list[Row] = []
        while len(found) < most and (row := await anext(self._rows, None)):
            found.append(row)
        return found

    def _listed(self) -> Iterator[Row]:
        for number, columns in enumerate((self._request.items or [])[self._listed_from :], self._listed_from + 1):
            # A map of Firestore's has no order.
            problem = self._columns.take(dict(sorted(columns.items())))
            yield Row(number=number, columns={} if problem else columns, end=0, problem=problem)

    async def _read(self) -> AsyncIterator[Row]:
        runtime, bulk, source = self._runtime, self._bulk, self._request.source
        assert source, "a bulk job has a source, or rows in its document"  # noqa: S101 - BulkRequest says so
        given = source.model_dump(exclude={"uri"}, exclude_none=True)
        options = options_of(given)
        media_type = await source_file.content_type(runtime, bulk.user_id, source)
        file_format = format_of(options, source.uri, media_type)
        self._reader = SourceReader(file_format, options, self._resumed)
        start = self._resumed.offset if self._resumed else 0
        chunks = source_file.chunks(runtime, bulk.user_id, source, bulk.source_generation, start)
        async for chunk in chunks:
            for row in self._reader.feed(chunk):
                yield row
        for row in self._reader.end():
            yield row
