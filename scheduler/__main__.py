"""`python -m scheduler COMMAND`: what Cloud Scheduler and Pub/Sub are to be, from the command line.

    python -m scheduler sync --project P --location R --dry-run

Exit code: 0 it was done (or, without a yes, left), 2 it could not be done, and one sentence on standard error says why.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import terminal
from scheduler.declared import declared, read_declared
from scheduler.errors import SchedulerError

# Google's libraries take a second to import, and who asks for help does not need them: they are imported below.
if TYPE_CHECKING:
    from scheduler.cloud import SchedulerClients
    from scheduler.report import SyncReport

_FAILED = 2
_INTERRUPTED = 130  # as a shell has it


def main() -> int:
    """Run the command of the process's arguments; returns its exit code."""
    terminal.protect()
    try:
        return asyncio.run(run(sys.argv[1:]))
    except KeyboardInterrupt:
        return _INTERRUPTED


async def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. Raises SystemExit where argparse does."""
    options = _parser().parse_args(arguments)
    try:
        await _run(options)
    except SchedulerError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return _FAILED
    return 0


async def _run(options: argparse.Namespace) -> None:
    wanted = read_declared(options.file) if options.file else declared()
    if options.command == "sync" and options.time_zone:
        wanted = wanted.in_time_zone(options.time_zone)

    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    from scheduler.cloud import connected
    from scheduler.explained import explained
    from scheduler.listing import listing
    from scheduler.report import JsonReport, TableReport
    from scheduler.sync import sync

    report = JsonReport() if options.as_json else TableReport()
    try:
        async with connected(
            project=options.project,
            location=options.location,
            api_endpoint=options.api_endpoint,
            patience_seconds=options.patience,
        ) as cloud:
            match options.command:
                case "sync":
                    confirm = _yes if options.yes else _ask
                    await sync(cloud, wanted, report, dry_run=options.dry_run, confirm=confirm)
                case "list":
                    report.listing(await listing(cloud, wanted))
                case _:
                    await _control(cloud, report, options)
    except (GoogleAPIError, GoogleAuthError) as error:
        raise SchedulerError(explained(error, options.project)) from error


async def _control(cloud: "SchedulerClients", report: "SyncReport", options: argparse.Namespace) -> None:
    from scheduler import schedules

    names = [options.name] if options.name else sorted(await schedules.ours(cloud))
    for name in names:
        match options.command:
            case "pause":
                did = await schedules.pause(cloud, name)
                report.told(name, "paused" if did else "was paused already")
            case "resume":
                did = await schedules.resume(cloud, name)
                report.told(name, "runs again" if did else "was not paused")
            case _:
                await schedules.run(cloud, name)
                report.told(name, "runs now")


def _yes(_: list[str]) -> bool:
    return True


def _ask(names: list[str]) -> bool:
    sys.stderr.write(f"Remove {', '.join(names)}? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise SchedulerError("There is no terminal to ask whether they are to be removed: run it with --yes.")
    return answer.strip().lower() in {"y", "yes"}


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--project", required=True, metavar="P", help="the Google Cloud project")
    common.add_argument("--location", required=True, metavar="R", help="the region of the schedules, as asia-south1")
    common.add_argument("--file", type=Path, help="declares other schedules than the table of functions")
    common.add_argument("--json", action="store_true", dest="as_json", help="print JSON, one object a line")
    common.add_argument(
        "--api-endpoint",
        metavar="HOST:PORT",
        help="another server of Cloud Scheduler's API; on localhost in plain text, without credentials, and together "
        "with PUBSUB_EMULATOR_HOST",
    )
    common.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long a call is repeated while a service is in passing trouble (default: %(default)s)",
    )
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("name", metavar="NAME", help="the schedule")
    one_or_all = argparse.ArgumentParser(add_help=False)
    which = one_or_all.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="NAME", nargs="?", help="the schedule")
    which.add_argument("--all", action="store_true", help="every schedule of Nightshift in that region")

    parser = argparse.ArgumentParser(prog="python -m scheduler", description="Nightshift's schedules and topics.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    sync = commands.add_parser(
        "sync",
        parents=[common],
        help="bring Cloud Scheduler and Pub/Sub to what is declared",
        description="Prints a plan (create, change, same, remove, left), and carries it out. Paused schedules stay "
        "paused; topics and other people's schedules are never removed.",
    )
    sync.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    sync.add_argument("--yes", action="store_true", help="remove schedules without asking")
    sync.add_argument("--time-zone", metavar="TZ", help="read the schedules in another time zone than the declared one")
    for command, parent, told in (
        ("list", None, "what is there, its state, its last and next run"),
        ("pause", one_or_all, "let a schedule, or all, not run until it is resumed"),
        ("resume", one_or_all, "let it run again"),
        ("run", one, "let a schedule run now"),
    ):
        commands.add_parser(command, parents=[common, *([parent] if parent else [])], help=told, description=told)
    return parser


if __name__ == "__main__":
    sys.exit(main())
