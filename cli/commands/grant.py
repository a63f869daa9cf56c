"""`grant`: give a user tokens, once.

The id of the ledger entry is printed before anything is sent, so an operator can repeat the command with it.
Reads at most 4 documents and writes 2, unless another commit changes the wallet meanwhile.
"""

import secrets
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

from google.api_core.exceptions import GoogleAPIError

from cli.commands.arguments import user_id, whole_number
from cli.commands.command import Command, CouldNotRun, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Printer
from nightshift.errors import TryLater
from nightshift.ledger import grants
from nightshift.ledger.entries import MOST_GRANTED, names_a_grant
from nightshift.runtime import Runtime


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("uid", type=user_id, metavar="UID", help="the user's uid in Firebase Auth")
    parser.add_argument(
        "tokens", type=whole_number(MOST_GRANTED), metavar="TOKENS", help=f"how many, 1 to {MOST_GRANTED:,}"
    )
    parser.add_argument(
        "--entry-id",
        type=_entry_id,
        metavar="NAME",
        help="the id of the ledger entry; under one id a user is granted tokens once (default: a new one)",
    )


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    uid, tokens = options.uid, options.tokens
    entry_id = options.entry_id or f"grant-{secrets.token_hex(8)}"
    before = await grants.read(runtime, uid, entry_id)
    if before.tokens is not None:
        return _tell(printer, uid, tokens, entry_id, before)
    there = f"holds {before.wallet.balance:,}" if before.wallet else "does not exist yet"
    await confirm(options, f"Adds {_told(tokens)} to the wallet of {uid}, which {there}, as ledger entry {entry_id}.")
    printer.line({"intent": {"uid": uid, "tokens": tokens, "entryId": entry_id}})
    printer.say(f"Granting as ledger entry {entry_id}; should the answer be lost, repeat it with --entry-id {entry_id}")
    try:
        after = await grants.grant(runtime, uid, tokens, entry_id)
    except (TryLater, GoogleAPIError) as doubt:
        again = f"./nightshift grant {uid} {tokens} --entry-id {entry_id}"
        raise CouldNotRun(
            f"It is not known whether it was granted ({type(doubt).__name__}). Repeat: {again}"
        ) from doubt
    return _tell(printer, uid, tokens, entry_id, after)


def _tell(printer: Printer, uid: str, tokens: int, entry_id: str, grant: grants.Grant) -> ExitCode:
    balance = grant.wallet.balance if grant.wallet else 0
    if grant.tokens != tokens:
        raise Refused(f"As {entry_id}, {uid} was granted {_told(grant.tokens or 0)} before. Nothing was changed.")
    did = "granted" if grant.is_new else "granted before: nothing was changed"
    fields = {"uid": uid, "tokens": tokens, "entryId": entry_id, "isNew": grant.is_new, "balance": balance}
    printer.line({"grant": fields})
    printer.say(f"{_told(tokens)} {did}; {uid} has {balance:,} now.", style="green")
    return ExitCode.DONE


def _told(tokens: int) -> str:
    return "1 token" if tokens == 1 else f"{tokens:,} tokens"


def _entry_id(text: str) -> str:
    if not names_a_grant(text):
        raise ArgumentTypeError("it may hold 1 to 100 letters, digits, hyphens and underscores")
    return text


COMMAND: Final = Command(
    name="grant",
    help="give a user tokens: wallet and ledger entry in one commit",
    description="Gives a user tokens, in one commit of wallet and ledger entry. Under one entry id a user is given "
    "tokens once: to repeat it with the same amount changes nothing (exit code 0), with another is refused (1).",
    example="grant kX3vQ9aBcD 50 --entry-id refund-ticket-4711",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
)
