"""`submit`: send the queued jobs of one lane now, or of all lanes.

Also while submission is held back, or a lane backs off.

It is an order, as `POST /queue/submit` gives it: recorded first, then carried out by this process. Should the process
die, the next tick goes on with it.
"""

import secrets
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from cli.commands.command import Command, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.errors import TryLater
from nightshift.orders import documents as orders
from nightshift.orders.carry_out import carry_out
from nightshift.reports.backlog import backlogs
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--lane", type=_lane, metavar="LANE", help="provider:endpoint:model (default: all lanes)")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    waiting = [lane for lane in await backlogs(runtime) if options.lane in {None, str(lane.lane)}]
    queued = sum(lane.jobs for lane in waiting)
    if not queued:
        where = f"in lane {options.lane}" if options.lane else f"in {runtime.settings.project}"
        raise Refused(f"No job is queued {where}.")
    await confirm(options, f"Sends {queued:,} queued jobs of {len(waiting)} lanes to their providers now.")
    wish = {"lane": options.lane} if options.lane else {}
    order = await orders.record(runtime, f"operator-{secrets.token_hex(8)}", "submit", wish, "operator")
    printer.line({"order": {"orderId": order.order_id, "queued": queued}})
    try:
        await carry_out(runtime, order.order_id, runtime.time_limit(runtime.settings.tick_seconds))
    except TryLater as trouble:
        printer.say(f"Order {order.order_id} is on record; the next tick goes on with it ({trouble}).", style="yellow")
        return ExitCode.FINDINGS
    left = sum(lane.jobs for lane in await backlogs(runtime) if options.lane in {None, str(lane.lane)})
    printer.line({"submit": {"queuedBefore": queued, "queuedNow": left}})
    printer.say(f"{max(0, queued - left):,} jobs sent; {left:,} are queued now.", style="green")
    return ExitCode.DONE


def _lane(text: str) -> str:
    try:
        return str(Lane.parse(text))
    except ValueError:
        raise ArgumentTypeError("it is no lane such as openai:/v1/chat/completions:gpt-5-mini") from None


COMMAND = Command(
    name="submit",
    help="send queued jobs now, of one lane or of all",
    description="Sends the queued jobs of one lane, or of all lanes, to their providers now: outside the hours of "
    "NIGHTSHIFT_SUBMIT_AT, while submission is stopped, and where a lane backs off, too. The day's budget holds.",
    example="submit --lane openai:/v1/chat/completions:gpt-5-mini",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
