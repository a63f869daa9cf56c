"""One table, as Excel, LibreOffice and Google Sheets save it: it is read alike, and comes back alike."""

import csv
import io
from typing import Any

import pytest

from nightshift.bulk.result_rows import EndedRow, ResultTable
from nightshift.errors import JobRefused
from tests.bulk.test_source_rows import read

HEADER = ["Nr", "Größe", "Text"]
ROWS = [
    ["1", "3,5", "ein Satz; mit Komma, und so"],
    ["2", "", 'zwei\nZeilen, "zitiert"'],
    ["3", "-1", "=SUMME(A1)"],
    ["4", "€", "😀 'x"],
]


def saved(encoding: str, delimiter: str, line_end: str, *, quotes_texts: bool = False) -> bytes:
    """The table in a program's dialect."""
    text = io.StringIO(newline="")
    if quotes_texts:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_NONNUMERIC)
    else:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(HEADER)
    # LibreOffice quotes the cells that hold text, and no number.
    writer.writerows([[int(number), *texts] for number, *texts in ROWS])
    return text.getvalue().encode(encoding)


DIALECTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "Excel, CSV UTF-8, English": (saved("utf-8-sig", ",", "\r\n"), {}),
    "Excel, CSV UTF-8, German": (saved("utf-8-sig", ";", "\r\n"), {}),
    "Excel, Unicode text": (saved("utf-16", "\t", "\r\n"), {}),
    "Excel for Mac, CSV UTF-8 with old line ends": (saved("utf-8-sig", ";", "\r"), {}),
    "LibreOffice": (saved("utf-8", ",", "\n", quotes_texts=True), {}),
    "LibreOffice, tab, UTF-16": (saved("utf-16", "\t", "\n", quotes_texts=True), {}),
    "LibreOffice, |": (saved("utf-8", "|", "\r\n", quotes_texts=True), {}),
    "Google Sheets, CSV": (saved("utf-8", ",", "\r\n"), {}),
    "Google Sheets, TSV": (saved("utf-8", "\t", "\r\n"), {}),
}


@pytest.mark.parametrize("program", DIALECTS)
def test_each_programs_file_is_read_alike_and_comes_back(program: str) -> None:
    """In chunks of seven bytes; then as the results of ours, which are a source again."""
    data, options = DIALECTS[program]
    rows, checkpoints = read(data, [7] * len(data), **options)

    assert checkpoints[0].header == tuple(HEADER)
    assert [list(row.columns.values()) for row in rows] == ROWS
    assert not [row.problem for row in rows if row.problem]

    table = ResultTable(HEADER, ["title"], checkpoints[0].delimiter)
    ended = [EndedRow(row=row.number, columns=row.columns, status="completed", result={"title": "=x"}) for row in rows]
    again, _ = read(table.header() + table.lines(ended))
    assert [row.columns for row in again] == [row.columns for row in rows]
    errors, _ = read(table.header(of_errors=True) + table.lines([failed(row) for row in ended], of_errors=True))
    assert [row.columns for row in errors] == [row.columns for row in rows]


def failed(row: EndedRow) -> EndedRow:
    """The same row without an answer."""
    return EndedRow(row=row.row, columns=row.columns, status="failed", error_code="x", error_message="-y")


def test_excels_own_encoding_is_refused_until_it_is_named() -> None:
    """The sentence names the first wrong byte, and what to do."""
    data = saved("utf-8", ";", "\r\n").replace("😀".encode(), b"").decode().encode("cp1252")
    with pytest.raises(JobRefused) as caught:
        read(data)
    assert "0xF6, at byte 6 of the file" in caught.value.message
    assert "CSV UTF-8" in caught.value.message

    rows, checkpoints = read(data, encoding="windows-1252")
    assert checkpoints[0].header == tuple(HEADER)
    assert rows[3].columns["Größe"] == "€"


def test_no_cell_of_ours_is_run_by_a_spreadsheet() -> None:
    """Of source, key, error and result; numbers stay numbers."""
    table = ResultTable(["=a", "title"], ["title", "score", "tags"], ",")
    row = EndedRow(
        row=1,
        columns={"=a": "@b", "title": "\tc"},
        status="failed",
        result={"title": "+d", "score": -0.5, "tags": ["=e"]},
        error_code="x",
        error_message="-f",
    )
    header, cells = csv.reader(io.StringIO((table.header() + table.lines([row])).decode("utf-8-sig"), newline=""))
    assert header == ["'=a", "title", "_row", "_status", "_error_code", "_error", "result_title", "score", "tags"]
    assert cells == ["'@b", "'\tc", "1", "failed", "x", "'-f", "'+d", "-0.5", '["=e"]']
