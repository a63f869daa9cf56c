"""The names of a source's columns, as its rows bring them: they are stored in documents, so they are bounded."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nightshift.bulk.source.row import MAX_COLUMNS, MAX_HEADER_BYTES, MAX_NAME_CHARACTERS
from nightshift.values.table_texts import TableText


class ColumnNames:
    """The names that were seen so far, in their order."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Go on from these."""
        self._names = dict.fromkeys(names)
        self._bytes = sum(map(_bytes_of, self._names))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def take(self, columns: Mapping[str, Any]) -> str | None:
        """Remember those of a row that are new; returns why they cannot be taken, as a sentence for the person."""
        if columns.keys() <= self._names.keys():
            return None
        new = [name for name in columns if name not in self._names]
        if any(len(name) > MAX_NAME_CHARACTERS for name in new):
            return TableText.LINE_NAME_LONG.say(most=MAX_NAME_CHARACTERS)
        new_bytes = sum(map(_bytes_of, new))
        if len(self._names) + len(new) > MAX_COLUMNS or self._bytes + new_bytes > MAX_HEADER_BYTES:
            return TableText.LINE_COLUMNS.say(columns=MAX_COLUMNS, most=MAX_HEADER_BYTES)
        self._names.update(dict.fromkeys(new))
        self._bytes += new_bytes
        return None


def _bytes_of(name: str) -> int:
    return len(name.encode())
