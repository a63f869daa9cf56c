"""`erase`: erase one user everywhere, and say what was erased.

It reads and deletes each document of the user's, and a handful of files for each batch that held a job of the user's.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Final

from cli.commands.arguments import user_id
from cli.commands.command import Command, ExitCode
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from cli.erasure import documents as erasures
from cli.erasure.erase import Erased, Remains, Skipped, erase
from nightshift.runtime import Runtime


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("uid", type=user_id, metavar="UID", help="the user's uid in Firebase Auth")
    parser.add_argument("--keep-account", action="store_true", help="leave the account in Firebase Auth as it is")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    # What deletes the provider's files must be there before anything is deleted here.
    runtime.providers.configured()
    jobs = await erasures.count_jobs(runtime, options.uid)
    account = "everything but the account" if options.keep_account else "the account"
    await confirm(
        options,
        f"Erases {options.uid} for ever: {account}, {jobs:,} jobs with their answers and notifications, the uploads, "
        "the wallet and its ledger, and the files of the batches in which the jobs were.",
        typed=options.uid,
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
