"""What a bulk job leaves: each row once, in the source's order, in files that a spreadsheet and a program can read."""

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from bench.counting import bill, counter
from local.openai_server import Reply, ReplyRule
from nightshift.bulk.advance import advance_bulk
from nightshift.errors import LeaseHeld
from nightshift.job_types.waste_classification import WasteClassification
from tests.bulk.test_batch_mode import run_to_the_end
from tests.support.promises import assert_promises_kept
from tests.support.world import World

OWN = ["_row", "_status", "_error_code", "_error"]
FIELDS = list(WasteClassification.model_fields)
# As Excel saves it where the decimal sign is a comma: "CSV UTF-8".
EXCEL = (
    "\ufeffnr;Gegenstand;Bemerkung\r\n"
    '1;Glasflasche;"grün; leer"\r\n'
    '2;"Zeile eins\nZeile ""zwei""";\r\n'
    "3;=1+1;-5\r\n"
    "4;;nichts\r\n"
    "5;zu;viel;davon\r\n"
    "6;Dose\r\n"
    ";;\r\n"
).encode()
TEMPLATE = {"text": "Was ist das: {{Gegenstand}}"}


def table(content: bytes, delimiter: str = ",") -> tuple[list[str], list[list[str]]]:
    """A CSV file's header and rows, as the csv module reads them."""
    assert content.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)
    return header, rows


async def answered(world: World, source: bytes, name: str = "a.csv", **fields: Any) -> str:
    """Bring a bulk job of this source to its end; returns its id."""
    uri = await world.upload("alice", f"bulk/{name}", source)
    bulk_id = await world.start_bulk(source={"uri": uri, **fields.pop("source", {})}, maxTokens=100, **fields)
    assert (await run_to_the_end(world, bulk_id))["status"] == "completed"
    return bulk_id


async def test_a_spreadsheets_file_goes_through_and_comes_back(world: World) -> None:
    """Columns as they were, our four, the result's; formulas escaped; in parts, of which one answer is declined."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="Dose"))
    bulk_id = await answered(world, EXCEL, template=TEMPLATE)

    ended = await world.bulk(bulk_id)
    assert ended["files"] == {
        "csv": "results.csv",
        "jsonl": "results.jsonl",
        "errors": "errors.csv",
        "zip": "results.zip",
    }
    header, rows = table(await world.result(bulk_id, "results.csv"), ";")
    assert header == ["nr", "Gegenstand", "Bemerkung", *OWN, *FIELDS]
    assert [row[:6] for row in rows] == [
        ["1", "Glasflasche", "grün; leer", "1", "completed", ""],
        ["2", 'Zeile eins\nZeile "zwei"', "", "2", "completed", ""],
        ["3", "'=1+1", "'-5", "3", "completed", ""],
        ["4", "", "nichts", "4", "completed", ""],
        ["5", "zu", "viel", "5", "failed", "invalid_input"],
        ["6", "Dose", "", "6", "failed", "provider_refused"],
    ]
    assert "too many: davon" in rows[4][6]
    assert all(row[header.index("category")] for row in rows[:4])

    lines = [json.loads(line) for line in (await world.result(bulk_id, "results.jsonl")).splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[2]["columns"] == {"nr": "3", "Gegenstand": "=1+1", "Bemerkung": "-5"}
    assert WasteClassification.model_validate(lines[0]["result"])
    assert lines[5]["errorCode"] == "provider_refused"
    assert set(lines[5]) == {"row", "columns", "status", "errorCode", "errorMessage"}

    with zipfile.ZipFile(io.BytesIO(await world.result(bulk_id, "results.zip"))) as archive:
        assert archive.testzip() is None
        for name in ("results.csv", "results.jsonl", "errors.csv"):
            assert archive.read(name) == await world.result(bulk_id, name)
    await assert_promises_kept(world)


async def test_errors_are_corrected_and_sent_again(world: World) -> None:
    """The file of errors has the rows that failed, and is itself a source: its columns are those of the first one."""
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="=cmd"))
    first = await answered(world, b'text,n\n=cmd,-1\nglass,2\nbad,3,surplus\n"\'=x",4\n')
    errors = await world.result(first, "errors.csv")
    header, rows = table(errors)
    assert header == ["text", "n", *OWN]
    assert [row[:5] for row in rows] == [
        ["'=cmd", "'-1", "1", "failed", "provider_refused"],
        ["bad", "3", "3", "failed", "invalid_input"],
    ]

    world.provider.faults.clear()
    second = await answered(world, errors.replace(b"bad,3", b"tin,3"), "errors.csv")
    lines = [json.loads(line) for line in (await world.result(second, "results.jsonl")).splitlines()]
    assert [line["columns"] for line in lines] == [{"text": "=cmd", "n": "-1"}, {"text": "tin", "n": "3"}]
    assert table(await world.result(second, "results.csv"))[0] == ["text", "n", *OWN, *FIELDS]
    assert table(await world.result(second, "errors.csv"))[1] == []
    await assert_promises_kept(world)


async def test_equal_rows_show_one_answer_and_json_keeps_its_values(world: World) -> None:
    """Of JSONL, whose columns come as they appear; the equal row lies in another part."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    source = b'{"text": "tin", "n": 1.5}\n{"text": "cup"}\n{"text": "tin", "more": [null]}\n{"text": "cup"}\nno json\n'
    bulk_id = await answered(world, source, "a.jsonl", dedupe=True)

    lines = [json.loads(line) for line in (await world.result(bulk_id, "results.jsonl")).splitlines()]
    assert [line["status"] for line in lines] == ["completed"] * 4 + ["failed"]
    assert [line["columns"] for line in lines[:3]] == [
        {"text": "tin", "n": 1.5},
        {"text": "cup"},
        {"text": "tin", "more": [None]},
    ]
    assert (lines[2]["result"], lines[3]["result"]) == (lines[0]["result"], lines[1]["result"])
    header, rows = table(await world.result(bulk_id, "results.csv"))
    assert header[:4] == ["text", "n", "more", "_row"]
    assert [row[:4] for row in rows[:3]] == [["tin", "1.5", "", "1"], ["cup", "", "", "2"], ["tin", "", "[null]", "3"]]


async def test_many_parts_are_composed_in_rounds(world: World) -> None:
    """Cloud Storage takes so many objects in one call; here three. The rows stay in their order."""
    world.bound(composed_objects=3)
    world.set_env(NIGHTSHIFT_PART_ITEMS="1")
    await world.give("alice", 20)
    items: Sequence[dict[str, Any]] = [{"text": f"thing {number}", "title": str(number)} for number in range(11)]
    bulk_id = await world.start_bulk(items=items, maxTokens=100)
    assert (await run_to_the_end(world, bulk_id))["status"] == "completed"

    header, rows = table(await world.result(bulk_id, "results.csv"))
    assert header[:2] == ["text", "title"]
    assert [row[:3] for row in rows] == [[f"thing {n}", str(n), str(n + 1)] for n in range(11)]
    lines = (await world.result(bulk_id, "results.jsonl")).splitlines()
    assert [json.loads(line)["row"] for line in lines] == list(range(1, 12))


async def test_of_two_processes_one_alone_writes_the_files(world: World) -> None:
    """Each part that closes calls a worker, and the tick comes, too: the second learns that the first is at it."""
    await world.give("alice", 20)
    bulk_id = await answered(world, b"text\njar\n")
    await world.firestore.document(f"bulk_jobs/{bulk_id}").update({"status": "exporting"})

    async def advance() -> bool:
        runtime = world.operators_runtime()
        try:
            await advance_bulk(runtime, bulk_id, runtime.time_limit(60))
        except LeaseHeld:
            return False
        return True

    with counter(), bill() as billed:
        assert sorted(await asyncio.gather(advance(), advance())) == [False, True]
    # The piece of each file, two headers, and the archive.
    assert billed.storage_calls["POST upload"] == 3 + 2 + 1
    assert (await world.bulk(bulk_id))["status"] == "completed"
    assert await world.result(bulk_id, "results.csv")
