"""Running one command: from what was typed to an exit code. An expected failure is one sentence on standard error."""

import argparse
import asyncio
import logging
import os
import sys
import time
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Final, NoReturn

import structlog
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from cli import terminal
from cli.commands import presence
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.printing import Printer, printing, tell_programs
from nightshift import log, settings
from nightshift.errors import InvalidSettings, NightshiftError
from nightshift.log import where_raised
from nightshift.runtime import Runtime

_WIDTH: Final = 78
_PROJECT: Final = "GOOGLE_CLOUD_PROJECT"
_JSON: Final = "--json"
# No event of ours is that severe.
_NO_EVENT: Final = logging.CRITICAL
_EXIT_CODES: Final = "Exit code: 0 done; 1 findings, not found or refused; 2 could not run."


def main(commands: Sequence[Command], arguments: Sequence[str] | None) -> int:
    """Run the command that was typed, with the settings of the environment; returns its exit code."""
    terminal.protect()
    options = parsed(commands, arguments)
    log.configure()
    # Standard output is the command's own, and no event stands between its sentences unless it is asked for.
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if options.log else _NO_EVENT),
    )
    # What a library warns of passes, or becomes an error that the command explains in a sentence.
    logging.getLogger().setLevel(logging.ERROR)
    if not options.command.asks_the_database and options.project:
        os.environ[_PROJECT] = options.project
    try:
        runtime = Runtime(settings.load())
    except InvalidSettings as wrong:
        return _told(str(wrong), ExitCode.COULD_NOT_RUN, options)
    try:
        return asyncio.run(run(runtime, options))
    except KeyboardInterrupt:
        return _told("Interrupted.", ExitCode.COULD_NOT_RUN, options)


def parsed(commands: Sequence[Command], arguments: Sequence[str] | None) -> Namespace:
    """The command that was typed and its options. Exits with code 2 and says why if there is no such command."""
    parser = _Parser(
        prog="nightshift",
        description="Commands for the operators of Nightshift. They work on the project that the environment names "
        "(the functions' variables), with the credentials of the shell.",
        epilog=f"{_EXIT_CODES} ./nightshift COMMAND --help: more about one.",
    )
    parser.add_argument("--version", action="version", version=f"nightshift {_version()}")
    choices = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        described = choices.add_parser(
            command.name,
            help=command.help,
            description=fill(command.description, _WIDTH),
            epilog=f"example:\n  ./nightshift {command.example}\n\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(described)
        described.add_argument(_JSON, action="store_true", dest="as_json", help="print JSON, one object a line")
        described.add_argument("--log", action="store_true", help="print the events, too, on standard error")
        if command.changes:
            described.add_argument("--yes", action="store_true", help="do it without asking")
        described.set_defaults(command=command)
    return parser.parse_args(arguments)


async def run(runtime: Runtime, options: Namespace) -> ExitCode:
    """Run a command, and say what kept it from its work."""
    # A question names it: many an operator has two projects.
    options.project = runtime.settings.project
    try:
        # Loading the packages is all that the process has done so far.
        with terminal.never_silent(f"Still at work in {options.project}", silent_before=time.process_time()):
            return await _run(runtime, options, printing(runtime, as_json=options.as_json))
    except Refused as refusal:
        return _told(str(refusal), ExitCode.FINDINGS, options)
    except BrokenPipeError:
        # The reader of our output has closed the pipe. What is still to be flushed must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.COULD_NOT_RUN
    except Exception as trouble:  # noqa: BLE001 - whatever it is, its text may quote what a user wrote
        return _told(_why(trouble), ExitCode.COULD_NOT_RUN, options)


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    """Run a command, once the database has answered within seconds."""
    command: Command = options.command
    if command.asks_the_database and not await presence.holds_documents(runtime):
        nothing = f"{options.project} holds no jobs, no batches and no wallets. Is it the right project?"
        if command.needs_documents:
            printer.line({"nothing": nothing})
            printer.say(nothing, style="yellow")
            return ExitCode.DONE
    return await command.run(runtime, options, printer)


def _why(trouble: Exception) -> str:
    """Why a command could not run, for a person."""
    match trouble:
        case NightshiftError():
            return str(trouble)
        case GoogleAuthError():
            return f"Google does not know who you are: {trouble}"
        case exceptions.GoogleAPIError():
            return _why_firestore_did_not(trouble)
        case _:
            return f"This is a bug: {type(trouble).__name__} in {where_raised(trouble)}"


def _why_firestore_did_not(failed: exceptions.GoogleAPIError) -> str:
    """The same for an error of Firestore's."""
    cause = failed.cause if isinstance(failed, exceptions.RetryError) else failed
    name = type(cause).__name__
    match cause:
        case exceptions.Forbidden() | exceptions.Unauthorized():
            return f"Firestore refuses it: these credentials lack a permission in this project ({name})."
        case exceptions.NotFound():
            return f"The project has no Firestore database, or there is no such project ({name})."
        case exceptions.ServiceUnavailable() | exceptions.GatewayTimeout():
            return f"Firestore cannot be reached ({name})."
        case exceptions.FailedPrecondition():
            return f"Firestore does not answer this as it is set up, most likely for want of an index ({name})."
        case _:
            return f"Firestore did not do it ({name})."


def _told(sentence: str, code: ExitCode, options: Namespace) -> ExitCode:
    """Tell why a command ended without its work done; the project is named, once it is known."""
    project: str | None = getattr(options, "project", None)
    sentence = " ".join(sentence.split())
    if options.as_json:
        tell_programs({"error": {"message": sentence, "exitCode": int(code), "projectId": project}})
        return code
    if project and project not in sentence:
        sentence = f"{project}: {sentence}"
    sys.stderr.write(terminal.told_in_lines(sentence) + "\n")
    return code


class _Parser(ArgumentParser):
    """Complains of wrong usage in JSON, too, if that was asked for."""

    def error(self, message: str) -> NoReturn:
        if _JSON in sys.argv:
            tell_programs({"error": {"message": message, "exitCode": int(ExitCode.COULD_NOT_RUN), "projectId": None}})
            self.exit(ExitCode.COULD_NOT_RUN)
        # The list of all commands is longer than a line.
        super().error(fill(message, _WIDTH, initial_indent=" " * len(f"{self.prog}: error: ")).lstrip())


def _version() -> str:
    return str(tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"])
