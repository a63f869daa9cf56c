"""A template: an input's fields as texts, in which `{{column}}` stands for the row's value.

A template is read once. A row's values are put in its places in one pass, and are never looked at again. So a value
that holds `{{...}}` stays what it is, and no value can reach another column.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

from nightshift.bulk.source.row import refused
from nightshift.job_types.base import MAX_TEXT_CHARACTERS
from nightshift.values.table_texts import TableText
from nightshift.values.text import cleaned

# What is taken of a row without a template.
PLAIN: Final = {"text": "{{text}}", "imageUri": "{{imageUri}}"}

_PLACE: Final = re.compile(r"\{\{\s*([^{}\s][^{}]*?)\s*\}\}")
_MAX_FIELDS: Final = 20
_MAX_PLACES: Final = 200
_SHOWN_NAMES: Final = 50
_SHOWN_CHARACTERS: Final = 40


class Template:
    """Makes a row's input."""

    def __init__(self, fields: Mapping[str, str] | None) -> None:
        """Read the client's template; None = the columns `text` and `imageUri`, each if it is there.

        Raises:
            JobRefused: it is too long, or a place in it is not closed.
        """
        self._is_plain = fields is None
        fields = PLAIN if fields is None else fields
        if sum(map(len, fields.values())) > MAX_TEXT_CHARACTERS or len(fields) > _MAX_FIELDS:
            raise refused(TableText.TEMPLATE_LONG, fields=_MAX_FIELDS, characters=MAX_TEXT_CHARACTERS)
        # Of each field: text, column, text, column, ..., text.
        self._pieces = {name: _PLACE.split(text) for name, text in fields.items()}
        for name, pieces in self._pieces.items():
            if any("{{" in text for text in pieces[::2]):
                raise refused(TableText.TEMPLATE_OPEN, name=shown(name))
        named = [column for pieces in self._pieces.values() for column in pieces[1::2]]
        if len(named) > _MAX_PLACES:
            raise refused(TableText.TEMPLATE_PLACES, places=len(named), most=_MAX_PLACES)
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(named))

    def check(self, columns: Collection[str]) -> None:
        """Check that a source with these columns can fill it. Raises JobRefused, which names those that there are."""
        unknown = [column for column in self.columns if column not in columns]
        if self._is_plain:
            if len(unknown) == len(self.columns):
                raise refused(TableText.TEMPLATE_NEEDED, there=listed(columns))
        elif unknown:
            them = "column" if len(unknown) == 1 else "columns"
            named = f"{them} {listed(unknown)}"
            raise refused(TableText.TEMPLATE_UNKNOWN, unknown=named, there=listed(columns))

    def fill(self, columns: Mapping[str, Any]) -> dict[str, str]:
        """A row's input: each field that is not blank.

        Raises:
            JobRefused: the row lacks a column, or becomes too long. It is refused before it is put together.
        """
        return {name: text for name, pieces in self._pieces.items() if (text := self._filled(name, pieces, columns))}

    def _filled(self, name: str, pieces: Sequence[str], columns: Mapping[str, Any]) -> str:
        if self._is_plain:
            value = columns.get(name)
            return "" if value is None else _text(value)
        missing = [column for column in pieces[1::2] if column not in columns]
        if missing:
            raise refused(TableText.ROW_LACKS_COLUMN, name=shown(missing[0]))
        texts = [_text(columns[piece]) if number % 2 else piece for number, piece in enumerate(pieces)]
        if sum(map(len, texts)) > MAX_TEXT_CHARACTERS:
            raise refused(TableText.ROW_FILLED_LONG, name=shown(name), most=MAX_TEXT_CHARACTERS)
        # Of a template that holds a place alone, an empty value leaves the field out.
        filled = "".join(texts)
        return filled if filled.strip() else ""


def _text(value: Any) -> str:
    """A value as text: of JSON, a text without its quotes, null as nothing, and all else as it is written."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value).decode()


def shown(name: str) -> str:
    """A client's name, as a sentence may hold it."""
    name = cleaned(name)
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[: _SHOWN_CHARACTERS - 1]}…"


def listed(names: Collection[str]) -> str:
    """The first of a client's names, as a sentence may hold them."""
    some = [shown(name) for name in list(names)[:_SHOWN_NAMES]]
    more = f" and {len(names) - len(some)} more" if len(names) > len(some) else ""
    return f"{', '.join(some)}{more}"
