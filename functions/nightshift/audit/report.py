"""How an audit is told: as a table for a person, or as JSON, one object a line, for a program. Both as it goes."""

import json
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from nightshift.audit.finding import Finding
from nightshift.audit.scope import Scope

if TYPE_CHECKING:
    from rich.table import Table

_CHECK_WIDTH: Final = 8
_SUBJECT_WIDTH: Final = 36


class Report(Protocol):
    """Where an audit is told."""

    def finding(self, finding: Finding, *, mended: str | None, left_alone: str | None) -> None:
        """Tell one finding, and what was done about it or why nothing was; neither without --repair."""
        ...

    def end(self, scope: Scope, *, found: int, mended: int) -> None:
        """Tell what was looked at, and what was not."""
        ...


class JsonReport:
    """One object a line: the findings, then one `summary`."""

    def finding(self, finding: Finding, *, mended: str | None, left_alone: str | None) -> None:
        """See `Report`."""
        done = {"mended": mended, "leftAlone": left_alone}
        _write_line(
            {
                "check": finding.check,
                "subject": finding.subject,
                "finding": finding.sentence,
                "mendable": finding.mend is not None,
                **{name: sentence for name, sentence in done.items() if sentence},
            }
        )

    def end(self, scope: Scope, *, found: int, mended: int) -> None:
        """See `Report`."""
        _write_line(
            {
                "summary": {
                    "findings": found,
                    "mended": mended,
                    "lookedAt": dict(scope.looked_at),
                    "skipped": scope.skipped,
                    "troubles": scope.troubles,
                }
            }
        )


class TableReport:
    """A table that grows by a row with each finding."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._is_empty = True

    def finding(self, finding: Finding, *, mended: str | None, left_alone: str | None) -> None:
        """See `Report`."""
        from rich.text import Text

        done = f"\nMended: {mended}" if mended else f"\nLeft alone: {left_alone}." if left_alone else ""
        row = _table(with_header=self._is_empty)
        # As Text: what stands in brackets is no markup.
        row.add_row(finding.check, Text(finding.subject), Text(finding.sentence + done))
        self._console.print(row)
        self._is_empty = False

    def end(self, scope: Scope, *, found: int, mended: int) -> None:
        """See `Report`."""
        looked_at = ", ".join(f"{number} {kind}" for kind, number in scope.looked_at.items()) or "nothing"
        self._console.print(f"Looked at {looked_at}.")
        for check, why in scope.skipped.items():
            self._console.print(f"Skipped: {check}, since {why}.", markup=False)
        for check, why in scope.troubles.items():
            self._console.print(f"Not finished: {check}. {why}", style="bold red", markup=False)
        told = f"{found} findings, {mended} mended." if found else "No finding."
        self._console.print(told, style="yellow" if found or scope.troubles else "green")


def _table(*, with_header: bool) -> "Table":
    from rich.table import Table

    # Each row is a table of its own, so that it can be printed at once; fixed widths keep them in line.
    table = Table(box=None, show_header=with_header, expand=True, padding=(0, 1))
    table.add_column("Check", width=_CHECK_WIDTH)
    table.add_column("Where", width=_SUBJECT_WIDTH, overflow="fold")
    table.add_column("Finding", ratio=1, overflow="fold")
    return table


def _write_line(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
