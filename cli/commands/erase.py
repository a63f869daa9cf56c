"""`erase`: erase one user everywhere, and say what was erased.

It reads and deletes each document of the user's, and a handful of files for each batch that held a job of the user's.
"""

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Final

from cli.commands.arguments import user_id
from cli.commands.command import Command, ExitCode
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer, counted
from cli.erasure import accounts
from cli.erasure import documents as erasures
from cli.erasure.erase import Erased, Remains, Skipped, erase
from nightshift.errors import TryLater
from nightshift.images import uploads
from nightshift.runtime import Runtime


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("uid", type=user_id, metavar="UID", help="the user's uid in Firebase Auth")
    parser.add_argument("--keep-account", action="store_true", help="leave the account in Firebase Auth as it is")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    # What deletes the provider's files must be there before anything is deleted here.
    runtime.providers.configured()
    if there := await _what_there_is(runtime, options):
        await confirm(
            options, f"Erases what there is of {options.uid}, for ever: {', '.join(there)}.", typed=options.uid
        )
    erased: Counter[str] = Counter()
    remains = 0
    async for told in erase(runtime, options.uid, keep_account=options.keep_account):
        match told:
            case Erased(kind=kind, path=str(path)):
                erased[kind] += 1
                printer.line({"erased": {"kind": kind, "path": path}})
                printer.say(f"{kind}: {path}")
            case Erased(kind=kind, number=number):
                erased[kind] += number
            case Skipped(sentence=sentence):
                printer.line({"skipped": sentence})
                printer.say(sentence)
            case Remains(sentence=sentence):
                remains += 1
                printer.line({"remains": sentence})
                printer.say(f"Remains: {sentence}", style="yellow")
    counts = +erased
    printer.table("count", [{"kind": kind, "number": number} for kind, number in sorted(counts.items())])
    printer.line({"summary": {"uid": options.uid, "erased": dict(counts), "remains": remains}})
    if remains:
        printer.say("Run it again in some minutes.", style="bold yellow")
        return ExitCode.FINDINGS
    printer.say(
        f"Nothing is left of {options.uid}." if counts else f"There was nothing of {options.uid}.", style="green"
    )
    return ExitCode.DONE


async def _what_there_is(runtime: Runtime, options: Namespace) -> list[str]:
    """What the project holds of the user, for the question. Reads 5 documents, and one more per 1,000."""
    uid = options.uid
    counts, has_uploads = await asyncio.gather(erasures.count_all(runtime, uid), uploads.has_any(runtime, uid))
    there = [counted(number, *names) for number, names in zip(counts, _COUNTED, strict=True) if number]
    if has_uploads:
        there.append("the uploads")
    if not options.keep_account:
        try:
            there += ["the account"] if await accounts.exists(runtime, uid) else []
        except TryLater:
            # A stack of the Firestore emulator alone has no accounts.
            if runtime.settings.auth_emulator is None:
                there.append("the account, if there is one")
    return [*there, "the files of the batches in which the jobs were"] if counts[0] else there


_COUNTED: Final = (
    ("job", "jobs"),
    ("answer", "answers"),
    ("notification", "notifications"),
    ("wallet", "wallets"),
    ("ledger entry", "ledger entries"),
)


COMMAND: Final = Command(
    name="erase",
    help="erase one user everywhere, the provider's files included, and say what was erased",
    description="Deletes the account, the jobs with their answers and notifications, the uploads, the wallet with its "
    "ledger, and the files of every batch that held a job of the user's, here and at the provider. Batches under way "
    "are stopped, and the other users' jobs in them are sent again. It may be repeated, and has to be while something "
    "remains (exit code 1). A device that was signed in may write for up to an hour: run it once more after that.",
    example="erase kX3vQ9aBcD",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
