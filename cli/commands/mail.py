"""`mail`: the messages outside the app that were not sent, and a second try."""

from argparse import ArgumentParser, Namespace
from typing import Any, Final

from cli.commands.arguments import whole_number
from cli.commands.command import Command, ExitCode
from cli.commands.confirmation import confirm
from cli.commands.printing import Columns, Printer, counted
from nightshift.notify import again
from nightshift.notify.outbox import DOUBTFUL, Message
from nightshift.runtime import Runtime

_DEFAULT_LIMIT: Final = 100
COLUMNS: Final[Columns] = {"Message": ["messageId", "userId"], "Status": ["status"], "Why": ["why"]}


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--send-again", action="store_true", help="let what failed go again")
    parser.add_argument(
        "--also-doubtful", action="store_true", help="with --send-again: what is in doubt, too; it may come twice"
    )
    parser.add_argument(
        "--limit",
        type=whole_number(again.MOST_LISTED),
        default=_DEFAULT_LIMIT,
        metavar="N",
        help=f"at most so many of each status (default: {_DEFAULT_LIMIT})",
    )


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    found = await again.not_sent(runtime, options.limit)
    printer.table("message", [_row(message) for message in found], COLUMNS)
    if not found:
        printer.say("Nothing failed, and nothing is in doubt.")
        return ExitCode.DONE
    if not options.send_again:
        printer.say("`./nightshift mail --send-again` lets what failed go again.")
        return ExitCode.FINDINGS
    chosen = [each for each in found if each.codes and (options.also_doubtful or each.status != DOUBTFUL)]
    if chosen:
        await confirm(options, f"Sends {counted(len(chosen), 'message')} again.")
    sent = await again.send_again(runtime, chosen)
    printer.line({"summary": {"again": sent}})
    printer.say(f"{counted(sent, 'message')} will go again, with the next tick.", style="green")
    return ExitCode.DONE


def _row(message: Message) -> dict[str, Any]:
    why = ", ".join(f"{way}: {code}" for way, code in message.codes.items())
    return {"messageId": message.message_id, "userId": message.user_id, "status": message.status, "why": why or None}


COMMAND: Final = Command(
    name="mail",
    help="e-mails and pushes that were not sent, and a second try",
    description="Lists the messages outside the app that failed or are in doubt. What is in doubt may have arrived, so "
    "it only goes again with --also-doubtful.",
    example="mail --send-again",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
