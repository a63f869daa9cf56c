"""A row's input: by the template, or from the columns `text` and `imageUri`; and its key."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nightshift.bulk.source.row import Row
from nightshift.bulk.template import Template, listed, shown
from nightshift.errors import JobRefused
from nightshift.job_types.base import JobType
from nightshift.values.texts import Text

_LONGEST_KEY: Final = 200


class RowInputs:
    """Makes inputs of the rows of one bulk job."""

    def __init__(self, template: Mapping[str, str] | None, key_column: str | None, job_type: JobType[Any]) -> None:
        self._template = Template(template)
        self._key_column = key_column
        self._job_type = job_type

    def check_columns(self, columns: Sequence[str]) -> None:
        """Check the columns that there are, before anything is asked. Raises JobRefused, which names them."""
        self._template.check(columns)
        if self._key_column is not None and self._key_column not in columns:
            sentence = Text.COLUMN_MISSING.say(column=shown(self._key_column), there=listed(columns))
            raise JobRefused("invalid_input", sentence)

    def key_of(self, row: Row) -> str | None:
        """What identifies the row; None without a key column, and where the row has nothing there."""
        key = row.columns.get(self._key_column) if self._key_column else None
        return None if key is None else str(key)[:_LONGEST_KEY]

    def input_of(self, row: Row) -> Mapping[str, Any]:
        """What is asked for a row. Raises JobRefused for one that can never be answered."""
        if row.problem:
            raise JobRefused("invalid_input", row.problem)
        return self._job_type.check_input(self._template.fill(row.columns)).model_dump(exclude_none=True)
