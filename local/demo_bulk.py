"""The demo's bulk job: a CSV of 500 rows, three of them bad, quoted, confirmed, watched, and looked at in the end."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from local.app_user import AppUser
from local.errors import StackError

BULK_ID: Final = "demo-bulk"
UID: Final = "dana"
TOKENS: Final = 600
_ROWS: Final = 500
_BAD_ROWS: Final = (100, 200, 300)
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
_LOOK_EVERY_SECONDS: Final = 0.5
_BAR: Final = 30


@dataclass(frozen=True, kw_only=True)
class DemoBulk:
    """What the demo's bulk job came to."""

    bulk: dict[str, Any]
    wallet: dict[str, Any]
    ledger: list[dict[str, Any]]

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
        }
        return [sentence for sentence, is_kept in found.items() if not is_kept]


def csv() -> bytes:
    """The file: a row with an empty text can never be answered."""
    rows = ["text,shelf"]
    rows += [
        f'"{"" if row in _BAD_ROWS else f"an empty bottle, number {row}"}",{row % 7}' for row in range(1, _ROWS + 1)
    ]
    return "\r\n".join(rows).encode("utf-8-sig")


async def begin(user: AppUser) -> None:
    """Upload the file and write the bulk job, as an app does."""
    uri = await user.upload("bulk/list.csv", csv(), content_type="text/csv")
    await user.write_bulk_job(BULK_ID, {"type": "waste_classification", "source": {"uri": uri}, "maxTokens": TOKENS})


async def watch(console: Console, user: AppUser, patience_seconds: float) -> DemoBulk:
    """Tell its quote and its progress until it has ended. Raises StackError if it does not."""
    began, told = time.monotonic(), ""
    while time.monotonic() - began < patience_seconds:
        bulk = (await user.own("bulk_jobs")).get(BULK_ID, {})
        line = _line(bulk)
        if line != told:
            console.print(line, highlight=False)
            told = line
        if bulk.get("status") in _ENDED:
            return DemoBulk(bulk=bulk, wallet=await user.wallet(), ledger=await user.ledger())
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    raise StackError(f"The bulk job was not over after {patience_seconds:.0f} seconds.")


def show(console: Console, found: DemoBulk) -> None:
    """Tell what it came to: its bad rows, its files, its entries."""
    for error in found.bulk.get("firstErrors", []):
        console.print(f"  row {error['row']}: {error['message']}", highlight=False)
    for kind, name in found.bulk.get("files", {}).items():
        console.print(f"  {kind}: {name}", highlight=False)
    for entry in found.ledger:
        console.print(f"  {entry['kind']}: {entry['amount']:+}", highlight=False)


def _line(bulk: dict[str, Any]) -> str:
    quote, counts, progress = bulk.get("quote"), bulk.get("counts", {}), bulk.get("progress", 0.0)
    price = f", {quote['items']} items for {quote['tokens']} tokens, {quote['invalid']} bad rows" if quote else ""
    bar = "█" * round(progress * _BAR)
    ended = counts.get("total", 0) - counts.get("open", 0)
    eta = bulk.get("eta") or {}
    until = f", {eta['from']} to {eta['to']}" if eta.get("from") else ""
    return f"Bulk job: {bulk.get('status', 'written')}{price} {bar:·<{_BAR}} {ended}/{counts.get('total', 0)}{until}"
