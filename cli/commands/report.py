"""`report`: a day, a week or a month, as the API's `GET /report` tells it.

Reads one document a day, one for each alert of the period and each open batch, and three more.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import date, timedelta
from typing import Final

from cli.commands.command import Command, ExitCode
from cli.commands.printing import Printer
from nightshift.reports import period_report
from nightshift.reports.markdown import markdown_of
from nightshift.reports.period import PERIODS, Period
from nightshift.runtime import Runtime


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("period", choices=PERIODS, nargs="?", default="day", help="how long (default: a day)")
    parser.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="a day of it, in UTC (default: yesterday)")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    # The API's routes load a web framework, which no other command needs.
    from nightshift.api.routes.reports import report_view

    day = options.day or date.fromisoformat(runtime.today) - timedelta(days=1)
    found = await period_report.read(runtime, Period.around(day, options.period))
    printer.line({"report": report_view(found).model_dump(mode="json", exclude_none=True)})
    for line in markdown_of(found).splitlines():
        printer.say(line)
    return ExitCode.DONE


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("it is no day such as 2026-11-28") from None


COMMAND: Final = Command(
    name="report",
    help="a day, a week or a month: what happened, what it cost and saved, what went wrong and what was done",
    description="Tells what the tick has counted of a day, of a week from Monday on, or of a month: as Markdown, or "
    "with --json as the API's GET /report. Its sums are those of the documents. A batch counts on the day of its "
    "creation, as in `bill`. It only reads.",
    example="report month --day 2026-11-01",
    add_arguments=_add_arguments,
    run=_run,
    needs_documents=True,
)
