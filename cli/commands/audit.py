"""`audit`: look, printer, mend if asked to, and answer with an exit code.

It reads the whole database, page by page.
"""

from argparse import ArgumentParser, Namespace
from typing import Final

from cli.audit.audit import audit
from cli.audit.finding import Finding, LeftAlone
from cli.audit.scope import Scope
from cli.commands.command import Command, ExitCode
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer, counted
from nightshift.runtime import Runtime

_WIDTHS: Final = {"check": 8, "where": 36}
# What was looked at, one and many.
_ONE: Final = {
    "jobs": "job",
    "batches": "batch",
    "wallets": "wallet",
    "bulk jobs": "bulk job",
    "economies": "economy",
    "days": "day",
    "entries of points": "entry of points",
    "ledger entries": "ledger entry",
    "provider batches": "provider batch",
    "provider files": "provider file",
}
_MENDS: Final = (
    "Mends what is certain, each as it is found: missing notifications, classifications and refunds, wallets that are "
    "not the sum of their ledgers, wrong counts, stray batches and files at the provider, stuck jobs and batches."
)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repair", action="store_true", help="mend what can be mended safely, once confirmed, and say what was done"
    )


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    """Audit the database.

    A finding that was mended is a finding still: the next audit is the one that finds nothing.
    """
    if options.repair:
        await confirm(options, _MENDS)
    scope = Scope(runtime=runtime)
    found = mended = 0
    async for finding in audit(scope):
        found += 1
        did = left_alone = None
        if options.repair:
            try:
                did = await finding.mended()
                mended += 1
            except LeftAlone as reason:
                left_alone = str(reason)
        _tell_finding(printer, finding, mended=did, left_alone=left_alone, is_first=found == 1)
    _tell_end(printer, scope, found=found, mended=mended)
    if scope.troubles:
        return ExitCode.COULD_NOT_RUN
    return ExitCode.FINDINGS if found else ExitCode.DONE


def _tell_finding(
    printer: Printer, finding: Finding, *, mended: str | None, left_alone: str | None, is_first: bool
) -> None:
    """Tell one finding, and what was done about it or why nothing was; neither without --repair."""
    done = {"mended": mended, "leftAlone": left_alone}
    printer.line(
        {
            "check": finding.check,
            "subject": finding.subject,
            "finding": finding.sentence,
            "mendable": finding.mend is not None,
            **{name: sentence for name, sentence in done.items() if sentence},
        }
    )
    told = f"\nMended: {mended}" if mended else f"\nLeft alone: {left_alone}." if left_alone else ""
    cells = {"check": finding.check, "where": finding.subject, "finding": finding.sentence + told}
    printer.row(cells, _WIDTHS, is_first=is_first)


def _tell_end(printer: Printer, scope: Scope, *, found: int, mended: int) -> None:
    """Tell what was looked at, and what was not."""
    printer.line(
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
    looked_at = ", ".join(counted(number, _ONE[kind], kind) for kind, number in scope.looked_at.items()) or "nothing"
    printer.say(f"Looked at {looked_at}.")
    for check, why in scope.skipped.items():
        printer.say(f"Skipped: {check}, since {why}.")
    for check, why in scope.troubles.items():
        printer.say(f"Not finished: {check}. {why}", style="bold red")
    told = f"{counted(found, 'finding')}, {mended:,} mended." if found else "No finding."
    printer.say(told, style="yellow" if found or scope.troubles else "green")


COMMAND: Final = Command(
    name="audit",
    help="check the invariants over the live database",
    description="Checks the invariants over the live database. A finding that was mended is one still: the next audit "
    "finds nothing.",
    example="audit --repair",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
