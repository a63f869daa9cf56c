"""The demo's bulk job: a CSV of 500 rows, three of them bad, quoted, confirmed, watched, and downloaded."""

import asyncio
import csv
import io
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local.app_user import AppUser
from local.errors import StackError

BULK_ID: Final = "demo-bulk"
UID: Final = "dana"
TOKENS: Final = 600
# So that several parts are on their way at once.
PART_ITEMS: Final = 25
_ROWS: Final = 500
_BAD_ROWS: Final = (100, 200, 300)
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
_LOOK_EVERY_SECONDS: Final = 0.3
_BAR: Final = 24
_COLUMNS_SHOWN: Final = 6
_FORETOLD: Final = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class DemoBulk:
    """What the demo's bulk job came to."""

    bulk: dict[str, Any]
    ledger: list[dict[str, Any]]
    # The rows of the files that the user downloaded.
    results: list[dict[str, str]]
    errors: list[dict[str, str]]

    def broken(self) -> list[str]:
        """What was promised of it and is not so, a sentence each."""
        counts, quote = self.bulk.get("counts", {}), self.bulk.get("quote", {})
        spent = -sum(entry["amount"] for entry in self.ledger if entry["kind"] in {"charge", "refund"})
        found = {
            "The bulk job did not complete.": self.bulk.get("status") == "completed",
            "Its quote does not count its rows.": (quote.get("items"), quote.get("invalid"))
            == (_ROWS - len(_BAD_ROWS), len(_BAD_ROWS)),
            "A row of it has not ended.": counts.get("open") == 0 and counts.get("total") == _ROWS,
            "It cost other than what it answered.": spent == counts.get("completed"),
            "Its file has not each row once, in order.": [row["_row"] for row in self.results]
            == [str(number) for number in range(1, _ROWS + 1)],
            "Its errors are not the bad rows.": [row["_row"] for row in self.errors] == [str(row) for row in _BAD_ROWS],
        }
        return [sentence for sentence, is_kept in found.items() if not is_kept]


def source() -> bytes:
    """The file: a row with an empty text can never be answered."""
    rows = ["text,shelf"]
    rows += [
        f'"{"" if row in _BAD_ROWS else f"an empty bottle, number {row}"}",{row % 7}' for row in range(1, _ROWS + 1)
    ]
    return "\r\n".join(rows).encode("utf-8-sig")


async def play(console: Console, user: AppUser, patience_seconds: float) -> DemoBulk:
    """Upload, quote, confirm, watch, download; each step is printed. Raises StackError if it takes too long."""
    uri = await user.upload("bulk/list.csv", source(), content_type="text/csv")
    await user.write_bulk_job(BULK_ID, {"type": "waste_classification", "source": {"uri": uri}})
    until = time.monotonic() + patience_seconds
    bulk = await _reach(user, {"quoted"}, until)
    quote = bulk["quote"]
    console.print(
        f"  Quote: {quote['items']} items for {quote['tokens']} tokens overnight, {quote['tokensInstant']:,} at once.\n"
        f"  The {quote['invalid']} bad rows cost nothing. {user.uid} confirms it by the API.",
        highlight=False,
    )
    await user.call("POST", f"/bulk-jobs/{BULK_ID}/confirm", {"maxTokens": TOKENS})
    bulk = await _watch(console, user, until)
    found = DemoBulk(
        bulk=bulk,
        ledger=await user.ledger(),
        results=await _downloaded(user, "csv"),
        errors=await _downloaded(user, "errors"),
    )
    _show(console, found)
    return found


async def _reach(user: AppUser, statuses: set[str] | frozenset[str], until: float) -> dict[str, Any]:
    while time.monotonic() < until:
        bulk = (await user.own("bulk_jobs")).get(BULK_ID, {})
        if bulk.get("status") in statuses | _ENDED:
            return bulk
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    raise StackError("The bulk job was not over in time.")


async def _watch(console: Console, user: AppUser, until: float) -> dict[str, Any]:
    told = ""
    with Live(console=console, auto_refresh=False) as live:
        while time.monotonic() < until:
            bulk = (await user.own("bulk_jobs")).get(BULK_ID, {})
            line = _line(bulk)
            if console.is_terminal:
                live.update(line, refresh=True)
            elif line.plain != told:
                console.print(line)
                told = line.plain
            if bulk.get("status") in _ENDED:
                return bulk
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
    raise StackError("The bulk job was not over in time.")


async def _downloaded(user: AppUser, kind: str) -> list[dict[str, str]]:
    """A result file, by the link that the API gives."""
    link = await user.call("GET", f"/bulk-jobs/{BULK_ID}/download?format={kind}")
    content = await user.fetch(link["url"])
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def _show(console: Console, found: DemoBulk) -> None:
    """Tell what it came to: its files, its bad rows, its entries."""
    first = {name: value for name, value in found.results[0].items() if not name.startswith("_")}
    lines = [
        f"  Downloaded results.csv: {len(found.results)} rows, in the order of the upload. The first:",
        *(f"    {name}: {value}" for name, value in list(first.items())[:_COLUMNS_SHOWN]),
    ]
    bad = ", ".join(row["_row"] for row in found.errors)
    why = found.errors[0]["_error"] if found.errors else ""
    lines += [f"  Downloaded errors.csv: rows {bad}, to be corrected and sent again.", f"    {why}"]
    # In the order of what happened, not of the entries' names.
    entries = sorted(found.ledger, key=lambda entry: str(entry["createdAt"]))
    paid = ", ".join(f"{entry['kind']} {entry['amount']:+}" for entry in entries)
    lines += [f"  {UID}'s ledger: {paid}, so {sum(entry['amount'] for entry in entries)} are left."]
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _line(bulk: dict[str, Any]) -> Text:
    """One line: how far it is, and by when it is done."""
    counts, progress = bulk.get("counts", {}), bulk.get("progress", 0.0)
    done = round(progress * _BAR)
    ended = counts.get("total", 0) - counts.get("open", 0)
    line = Text(f"  {bulk.get('status', 'written'):<10}").append("█" * done, "green").append("░" * (_BAR - done), "dim")
    line.append(f" {ended}/{counts.get('total', 0)}")
    eta = bulk.get("eta") or {}
    if eta.get("from") and bulk.get("status") not in _ENDED:
        begin, end = (datetime.fromisoformat(eta[name]).astimezone() for name in ("from", "to"))
        # With too little history there is only the latest time.
        foretold = f"{begin:%H:%M} to {end:%H:%M}" if end - begin < _FORETOLD else f"by {end:%a %H:%M} at the latest"
        line.append(f"  {foretold}", "dim")
    return line
