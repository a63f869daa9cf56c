"""A part's rows as they were read: the object `rows/...`, one line a row. Its format stands in objects.py."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift import storage
from nightshift.bulk import objects
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime
from nightshift.values.compact_json import compact_json

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    """One row of a source, ready to be asked for; or why it cannot be."""

    # In the source, from 1.
    row: int
    columns: Mapping[str, Any]
    key: str | None = None
    # The job type's input. None on an invalid row, and on one that equals an earlier one.
    input: Mapping[str, Any] | None = None
    # Which generation of its image was checked.
    image_generation: int | None = None
    # Code and sentence of an invalid row.
    error: tuple[str, str] | None = None
    # The row that asks for the same.
    same_as: int | None = None

    @property
    def is_item(self) -> bool:
        """Whether it is to be answered."""
        return self.input is not None

    def line(self) -> bytes:
        """As it is stored, with its newline."""
        fields: dict[str, Any] = {"row": self.row, "columns": self.columns}
        if self.key is not None:
            fields["key"] = self.key
        if self.input is not None:
            fields["input"] = self.input
        if self.image_generation is not None:
            fields["imageGeneration"] = self.image_generation
        if self.error is not None:
            fields["error"] = {"code": self.error[0], "message": self.error[1]}
        if self.same_as is not None:
            fields["sameAs"] = self.same_as
        return compact_json(fields) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "StoredRow":
        """Read what `line` gave."""
        fields = json.loads(line)
        error = fields.get("error")
        return cls(
            row=fields["row"],
            columns=fields["columns"],
            key=fields.get("key"),
            input=fields.get("input"),
            image_generation=fields.get("imageGeneration"),
            error=(error["code"], error["message"]) if error else None,
            same_as=fields.get("sameAs"),
        )


async def read_rows(runtime: Runtime, part: BulkPart) -> AsyncIterator[list[tuple[int, StoredRow]]]:
    """A part's rows with their indices, some at a time. Raises NotFound and TryLater."""
    index = 0
    async for lines in storage.lines(runtime, objects.rows(part.bulk_id, part.rows_name), _ROWS_AT_ONCE):
        rows = [(index + place, StoredRow.read(line)) for place, line in enumerate(lines) if line is not None]
        index += len(lines)
        yield rows


async def write_rows(runtime: Runtime, bulk_id: str, part: int, content: bytes) -> str:
    """Write a part's rows, whole or not at all; returns the object's name. Raises TryLater."""
    name = objects.new_name(part)

    async def once() -> AsyncIterator[bytes]:
        yield content

    await storage.write(runtime, objects.rows(bulk_id, name), once())
    return name
