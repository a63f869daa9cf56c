"""A file's bytes become rows: Python's csv module is the oracle, and neither chunks nor crashes change anything."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nightshift.bulk.source.checkpoint import Checkpoint, Format
from nightshift.bulk.source.opening import SourceOptions, format_of, options_of
from nightshift.bulk.source.reader import SourceReader
from nightshift.bulk.source.row import MAX_COLUMNS, OWN_COLUMNS, Row, RowBounds
from nightshift.errors import JobRefused

# What decides how a CSV file is read, and some letters.
TEXTS = st.text(alphabet="ab\",;|\t\r\n 'ü€😀\u2028\x0b\x85", max_size=8)
CUTS = st.lists(st.integers(min_value=1, max_value=40), max_size=12)
BOUNDS = RowBounds()
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])


def read(
    data: bytes,
    cuts: Sequence[int] = (),
    *,
    file_format: Format = "csv",
    begin: Checkpoint | None = None,
    bounds: RowBounds = BOUNDS,
    **options: Any,
) -> tuple[list[Row], list[Checkpoint]]:
    """All rows of a file that comes in chunks of these sizes, and the checkpoint after each."""
    reader = SourceReader(file_format, options_of(options), begin, bounds)
    rows, checkpoints = [], []
    at = begin.offset if begin else 0
    for cut in [*cuts, len(data) + 1]:
        is_last = at + cut > len(data)
        for row in reader.feed(data[at : at + cut]):
            rows.append(row)
            checkpoints.append(Checkpoint.from_fields((reader.checkpoint or pytest.fail()).fields()))
        at += cut
        if is_last:
            break
    for row in reader.end():
        rows.append(row)
        checkpoints.append(reader.checkpoint or pytest.fail())
    return rows, checkpoints


def records(text: str, delimiter: str) -> list[list[str]]:
    """The oracle's records, without blank ones."""
    return [
        record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(record)
    ]


def refusal(data: bytes, **options: Any) -> str:
    """What a refused file is answered."""
    with pytest.raises(JobRefused) as caught:
        read(data, **options)
    assert caught.value.code == "invalid_input"
    return caught.value.message


@settings(max_examples=150)
@given(
    table=st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=8).filter(lambda t: any(map(any, t))),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=ENCODINGS,
    cuts=CUTS,
)
def test_a_written_table_is_read_as_the_csv_module_reads_it(
    table: list[list[str]], delimiter: str, line_end: str, quoting: Any, encoding: str, cuts: list[int]
) -> None:
    """In each dialect and encoding: quoted line ends, short rows, blank rows, separators of all kinds."""
    header = [f"c{number}" for number in range(max(map(len, table)))]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows([header, *table])
    text = written.getvalue()
    # Python writes this one in the order of the machine, without a mark.
    assume(records(text, delimiter)[1:])
    data = ("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + text.encode(encoding)

    rows, _ = read(data, cuts, delimiter=delimiter)

    assert [list(row.columns.values()) for row in rows] == records(text, delimiter)[1:]
    assert not [row.problem for row in rows if row.problem]
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


@settings(max_examples=150)
@given(body=st.text(alphabet='aab"",\n\n\rü', min_size=1, max_size=60), cuts=CUTS, width=st.integers(1, 3))
def test_neither_chunks_nor_a_crash_change_the_rows(body: str, cuts: list[int], width: int) -> None:
    """Of any bytes, also broken ones, with a bound so small that rows break it; read on from each checkpoint."""
    bounds = RowBounds(row_bytes=14, rereads=3)
    data = (",".join("xyz"[:width]) + "\n" + body + "\nlast").encode()
    rows, checkpoints = read(data, bounds=bounds)

    assert read(data, cuts, bounds=bounds) == (rows, checkpoints)
    assert read(data, [1] * len(data), bounds=bounds) == (rows, checkpoints)
    for number, checkpoint in enumerate(checkpoints, 1):
        assert checkpoint.row == number
        assert checkpoint.offset == rows[number - 1].end
        assert read(data, cuts, begin=checkpoint, bounds=bounds) == (rows[number:], checkpoints[number:])


@settings(max_examples=150)
@given(body=st.text(alphabet='ab",;\n\r', max_size=40))
def test_what_the_csv_module_takes_is_taken_and_nothing_is_made_up(body: str) -> None:
    """Of arbitrary text: each valid record comes, and a value that comes was a value of the oracle's."""
    text = f"x,y,z\n{body}\n1,2,3\n"
    rows, _ = read(text.encode())
    try:
        expected = records(text, ",")[1:]
    except csv.Error:
        assert any(row.problem for row in rows)
        return
    assert [list(row.columns.values()) for row in rows] == [record[:3] for record in expected]
    assert [bool(row.problem) for row in rows] == [any(record[3:]) for record in expected]


def test_a_stray_quote_costs_one_row_and_no_half_of_a_text_is_a_row() -> None:
    """A quote that is never closed; and a broken text over lines, whose other lines are no rows."""
    rows, _ = read(b'a,b,c\n1,one,x\n2,"two,x\n3,three,x\n4,four,x\n')
    assert [row.problem is None for row in rows] == [True, False, True, True]
    assert rows[1].columns == {"a": '2,"two,x'}

    # A text of prose may have as many commas as a row of two columns.
    rows, _ = read(b'a,b\n1,"Dear Ann,\nthank you, and bye"!\n2,two\n')
    assert [row.problem is None for row in rows] == [False, False, True]
    assert "may be a part of it" in (rows[1].problem or "")

    rows, _ = read(b'a,b,c\n1,"a text\nof two lines"!,x,y\n2,two,x\n')
    assert [row.problem is None for row in rows] == [False, False, True]


def test_ragged_rows_say_what_is_wrong_with_them() -> None:
    """A short row lacks its last columns; a long one says what is too much; blank values more are no matter."""
    rows, _ = read(b"a,b\n1\n1,2,,\n1,2,three,4\n\n,,\n5,6\n")

    assert [row.columns for row in rows] == [
        {"a": "1"},
        {"a": "1", "b": "2"},
        {"a": "1", "b": "2"},
        {"a": "5", "b": "6"},
    ]
    assert [bool(row.problem) for row in rows] == [False, False, True, False]
    assert "4 values" in (rows[2].problem or "")
    assert "three, 4" in (rows[2].problem or "")


def test_rows_that_are_too_long_and_nul_characters_fail_alone() -> None:
    """One line, several lines, and a NUL; the rows between them are good."""
    long_line = b"x" * (BOUNDS.row_bytes + 1)
    data = b"a,b,c\n1,,\n2," + long_line + b'\n3,,\n4,"' + (b"y" * 99 + b"\n") * 2_000 + b'"\n5,fi\0ve,\n6,,\n'
    rows, _ = read(data, [100_000] * 10)
    good = [row.columns["a"] for row in rows if row.problem is None]

    assert good == ["1", "3", "6"]
    assert "131,072 bytes" in (rows[1].problem or "")
    assert "NUL" in (rows[-2].problem or "")


def test_hostile_quotes_take_linear_time() -> None:
    """Lines that open a quote whether or not one is open: each is looked at a bounded number of times."""
    data = b"a,b\n" + b'b","\n' * 100_000
    rows, checkpoints = read(data)

    assert checkpoints[-1].rereads == BOUNDS.rereads
    assert rows[-1].end == len(data)
    assert len(rows) < 2 * BOUNDS.rereads


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        (b"name;photo", ";"),
        (b"name\tphoto", "\t"),
        (b"name|photo", "|"),
        (b'"a,b";"c,d,e"', ";"),
        (b'"a;b;c",d', ","),
        (b"name", ","),
        (b"sep=;\r\na,b;c,d,e", ";"),
    ],
)
def test_the_delimiter_is_the_one_that_makes_the_most_columns(head: bytes, delimiter: str) -> None:
    """What stands in quotes does not count; Excel's own line decides."""
    _, checkpoints = read(head + b"\r\nx\r\n")
    assert checkpoints[0].delimiter == delimiter


def test_a_named_delimiter_and_a_named_encoding_are_taken_at_their_word() -> None:
    """Whatever the file looks like."""
    rows, checkpoints = read("größe;a,b\r\n1;2,3\r\n".encode("cp1252"), encoding="Windows-1252", delimiter=",")
    assert checkpoints[0].header == ("größe;a", "b")
    assert rows[0].columns == {"größe;a": "1;2", "b": "3"}
    rows, _ = read("名前|写真\n表|ソ\n".encode("cp932"), [5] * 9, encoding="shift_jis")
    assert rows[0].columns == {"名前": "表", "写真": "ソ"}
    rows, _ = read("a\tb\n😀\t2".encode("utf-16-le"), [3] * 9, encoding="utf-16le")
    assert rows[0].columns == {"a": "😀", "b": "2"}


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (b"", {}, "is empty"),
        (b"\xef\xbb\xbf", {}, "is empty"),
        (b"\n\n", {}, "is empty"),
        (b"a,b\r\n", {}, "no rows"),
        (b"a,b\r\n\r\n,\r\n", {}, "no rows"),
        (b"PK\x03\x04rest of it", {}, "workbook"),
        (b"\x1f\x8brest of it", {}, "gzip"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", {}, "UTF-32"),
        ("a,b\n1,2\n".encode("utf-16-le"), {}, "NUL at byte 2"),
        ("a,b\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16"}, "utf-16le or utf-16be"),
        ("a,b\n1,2\n".encode("utf-16"), {"encoding": "utf-8"}, "0xFF, at byte 1 "),
        ("name,größe\n".encode("cp1252"), {}, "0xF6, at byte 8 of the file. Save it as UTF-8"),
        (b"\xef\xbb\xbfa,b\n1,caf\xe9\n", {}, "0xE9, at byte 13"),
        (b"a,b\n1,caf\xc3", {}, "0xC3, at byte 10"),
        ("\ufeffa,b\n1,2".encode("utf-16-le") + b"\x00\xd8\n\x00", {}, "at byte 17"),
        ("a,b\n1,\x81\n".encode("latin-1"), {"encoding": "windows-1252"}, "windows-1252: the first wrong byte is 0x81"),
        (b"a,a\n1,2\n", {}, "column 'a' twice"),
        (b'a,"b\n1,2\n', {}, "not closed"),
        (b'a"b\nc"d\n1\n', {}, "not valid CSV"),
        (b",,\n1,2\n", {}, "names no column"),
        (",".join(map(str, range(MAX_COLUMNS + 1))).encode() + b"\n1\n", {}, "1,001 columns"),
        (b"a," + b"x" * 201 + b"\n1,2\n", {}, "201 characters"),
        (b"x" * (BOUNDS.row_bytes + 1) + b"\n1\n", {}, "longer than 131,072 bytes"),
        (",".join(f"{n:0>150}" for n in range(300)).encode() + b"\n1\n", {}, "45,000 bytes"),
        (b'[{"a": 1}]', {"file_format": "jsonl"}, "JSON array"),
        (b"a,b\n1,2", {"encoding": "ebcdic"}, "source.encoding: it is not one of utf-8"),
        (b"a,b\n1,2", {"delimiter": ":"}, "source.delimiter"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(data: bytes, options: Any, said: str) -> None:
    """A sentence each; the first wrong byte is named by its place."""
    assert said in refusal(data, **options)


def test_names_are_trimmed_and_blank_ones_are_numbered() -> None:
    """As pandas leaves the first one blank, and Excel the last ones."""
    rows, checkpoints = read(b', name ,,photo,,\r\n0,"a",x,b,,\r\n')
    assert checkpoints[0].header == ("column_1", "name", "column_3", "photo")
    assert list(rows[0].columns.values()) == ["0", "a", "x", "b"]


def test_two_hundred_columns_and_a_list_of_photos_are_read() -> None:
    """A list of photos has no header: each line is one."""
    rows, _ = read(b",".join(b"c%d" % n for n in range(200)) + b"\n" + b",".join([b"v"] * 200) + b"\n")
    assert len(rows[0].columns) == 200
    rows, _ = read(b"gs://b/users/u/1.png\r\ngs://b/users/u/2.png")
    assert [row.columns["imageUri"] for row in rows] == ["gs://b/users/u/1.png", "gs://b/users/u/2.png"]


def test_a_file_of_ours_returns_with_the_columns_that_it_had() -> None:
    """Without our columns, and with its texts as they were before they were escaped."""
    head = ",".join(["text", "n", *OWN_COLUMNS, "itemName"])
    rows, checkpoints = read(f"{head}\n'=1+1,'-5,7,failed,x,y,\n'plain,''=x,8,failed,x,y,\n".encode())
    assert checkpoints[0].header == ("text", "n")
    assert [row.columns for row in rows] == [{"text": "=1+1", "n": "-5"}, {"text": "'plain", "n": "'=x"}]


@settings(max_examples=60)
@given(
    body=st.lists(
        st.sampled_from(['{"a": 1}', '{"b": "ü\u2028"}', "{", "[]", '"gs://b/x"', "", "{}", " "]), max_size=9
    ),
    cuts=CUTS,
    encoding=ENCODINGS.filter(lambda name: name != "utf-16-be"),
)
def test_jsonl_is_read_on_from_each_checkpoint_in_any_chunks(body: list[str], cuts: list[int], encoding: str) -> None:
    """Bad lines are failed rows; the header has each name that was seen so far."""
    data = "\n".join(['{"first": null}', *body]).encode(encoding)
    rows, checkpoints = read(data, file_format="jsonl")

    assert read(data, cuts, file_format="jsonl") == (rows, checkpoints)
    for number, checkpoint in enumerate(checkpoints, 1):
        assert read(data, cuts, file_format="jsonl", begin=checkpoint) == (rows[number:], checkpoints[number:])
    assert len(rows) == 1 + sum(bool(line.strip()) for line in body)
    assert [bool(row.problem) for row in rows[1:]] == [line in {"{", "[]"} for line in body if line.strip()]
    assert set(checkpoints[-1].header) == {name for row in rows for name in row.columns}


def test_jsonl_rows_keep_their_values_and_their_bounds() -> None:
    """Numbers stay numbers; names that are too many or too long fail their row."""
    many = "{" + ",".join(f'"c{n}": 1' for n in range(MAX_COLUMNS + 1)) + "}"
    long = '{"' + "x" * 201 + '": 1}'
    rows, _ = read(
        f'{{"a": 1.5, "b": [true, {{"c": null}}]}}\n{many}\n{long}\n{{"a": NaN}}\n'.encode(), file_format="jsonl"
    )
    assert rows[0].columns == {"a": 1.5, "b": [True, {"c": None}]}
    assert [bool(row.problem) for row in rows] == [False, True, True, True]


@pytest.mark.parametrize(
    ("options", "name", "content_type", "expected"),
    [
        ({"format": "jsonl"}, "users/u/bulk/a.csv", "text/csv", "jsonl"),
        ({}, "users/u/bulk/a.JSONL", "text/csv", "jsonl"),
        ({}, "users/u/bulk/a.tsv", None, "csv"),
        ({}, "users/u/bulk/1f2e", "application/x-ndjson; charset=utf-8", "jsonl"),
        ({}, "users/u.jsonl/bulk/1f2e", None, "csv"),
    ],
)
def test_the_format_is_told_by_the_client_or_the_name_or_the_type(
    options: Any, name: str, content_type: str | None, expected: str
) -> None:
    """In this order; without any of them it is CSV."""
    assert format_of(SourceOptions(**options), name, content_type) == expected
