"""Every sentence that a person reads of a table of many rows: of its file, its header, its template and its rows.

It is for the person who made the table, so it may name CSV, JSON and an encoding. It says what the person can do.
"""

from enum import unique
from typing import Final

from nightshift.values.texts import Sentence

_SAVE_AS: Final = "Save it as CSV UTF-8 (in Excel: File, Save as; in Google Sheets: File, Download, CSV)"


@unique
class TableText(Sentence):
    """A sentence, in English. The names in braces are filled in by `say`."""

    # The file.
    UNKNOWN_OPTIONS = "The source is not described as it should be: {found}."
    EMPTY_FILE = "The file is empty. Its first line has to name the columns."
    NO_ROWS = "The file has a header and no rows below it."
    NO_TEXT = f"The file is {{kind}}, and no text. {_SAVE_AS}."
    UTF32 = f"The file is UTF-32, which is not read. {_SAVE_AS}."
    NO_MARK = "The file has no UTF-16 byte order mark. Name utf-16le or utf-16be as its encoding instead."
    NUL_BYTE = (
        "The file has a NUL at byte {place}: it is UTF-16 without a byte order mark, or no text. "
        f"{_SAVE_AS}. Or name utf-16le or utf-16be as its encoding."
    )
    WRONG_BYTE = (
        "The file is not {encoding}: the first wrong byte is 0x{byte}, at byte {place:,} of the file. "
        "Save it as UTF-8 (in Excel: CSV UTF-8), or name its encoding, such as windows-1252."
    )
    JSON_ARRAY = "The file is a JSON array. Write one JSON object a line, without commas between them."

    # The header.
    HEADER_INVALID = "The header is not valid CSV: a quote stands where none may be. Write a quote inside a name twice."
    HEADER_UNNAMED = "The header names no column. The first line has to name the columns."
    HEADER_WIDE = "The header has {columns:,} columns; {most:,} are allowed."
    HEADER_OPEN = "The header opens a quote that is not closed. The first line has to name the columns."
    HEADER_LONG = (
        "The header is longer than {most:,} bytes. The first line has to name the columns, "
        "and each quote in it has to be closed."
    )
    HEADER_NAMES_LONG = "The header's names have {size:,} bytes; {most:,} are allowed."
    NAME_LONG = (
        "The name of column {column} has {characters:,} characters; {most} are allowed. "
        "Check that the first line is the header."
    )
    NAME_TWICE = "The header names the column {name} twice. Give each column a name of its own."

    # The template.
    TEMPLATE_LONG = "The template has more than {fields} texts or {characters:,} characters."
    TEMPLATE_OPEN = "The template's {name} opens a {{{{ that names no column. Write {{{{column}}}}."
    TEMPLATE_PLACES = "The template has {places} places for columns; {most} are allowed."
    TEMPLATE_NEEDED = "Without a template, a column text or imageUri is needed. There are: {there}."
    TEMPLATE_UNKNOWN = "The template names the {unknown}, which the source has not. There are: {there}."

    # A row.
    ROW_LACKS_COLUMN = "The row lacks the column {name}, which the template needs."
    ROW_FILLED_LONG = "The template's {name} becomes longer than {most:,} characters."
    ROW_LONG = "The row is longer than {most:,} bytes."
    ROW_NOT_CLOSED = "A quote opens in this row and is not closed. Write a quote inside a text twice."
    ROW_STRAY_QUOTE = "The row is not valid CSV: a text goes on after its closing quote. Write a quote inside it twice."
    ROW_HAS_NUL = "The row has a NUL character."
    ROW_BEHIND = "The row lies behind a broken row and may be a part of it. Correct that row, and send both again."
    ROW_WIDE = (
        "The row has {values:,} values and the header {columns:,} columns; too many: {surplus}. "
        "Put a text that holds the delimiter into quotes."
    )
    LINE_NO_OBJECT = "The line is no JSON object. Write one object a line."
    LINE_INVALID = "The line is not valid JSON: {wrong}."
    LINE_NAME_LONG = "The name of a column is longer than {most} characters."
    LINE_COLUMNS = "The file has more than {columns:,} columns, or names of more than {most:,} bytes."
    ROW_LOST = "There is no answer for this row."
