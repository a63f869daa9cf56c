"""`schedules`: what Cloud Scheduler and Pub/Sub are to be, by the table of functions: see, mend, pause and run them.

A sync prints its plan, and then carries it out; only a removal is asked for. It reads and writes no document.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.commands.command import Command, CouldNotRun, ExitCode, Refused
from cli.commands.confirmation import confirm
from cli.commands.printing import Columns, Printer
from nightshift.runtime import Runtime
from scheduler.declared import Declared, declared, read_declared
from scheduler.errors import NoSuchSchedule, SchedulerError
from scheduler.step import Action, PlannedStep

# Google's libraries take a second to import: they are imported below, where they are needed.
if TYPE_CHECKING:
    from scheduler.cloud import SchedulerClients

_REGION: Final = "asia-south1"
_ACTIONS: Final = ("sync", "list", "pause", "resume", "run")
_PLAN: Final[Columns] = {"Plan": ["action"], "What": ["kind"], "Name": ["name"], "Details": ["details"]}
_LISTING: Final[Columns] = {
    "Schedule": ["name"],
    "When": ["schedule", "timeZone"],
    "Topic": ["topic"],
    "State": ["state"],
    "Last run": ["lastRunAt"],
    "Next run": ["nextRunAt"],
}
_DONE: Final = {Action.CREATE: "created", Action.CHANGE: "changed", Action.REMOVE: "removed"}


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    _check(options)
    wanted = read_declared(options.file) if options.file else declared()
    if options.time_zone:
        wanted = wanted.in_time_zone(options.time_zone)

    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    from scheduler.cloud import connected
    from scheduler.explained import explained

    try:
        async with connected(
            project=runtime.settings.project,
            location=options.region,
            api_endpoint=options.api_endpoint,
            patience_seconds=options.patience,
        ) as cloud:
            match options.action:
                case "sync":
                    await _sync(cloud, wanted, options, printer)
                case "list":
                    await _list(cloud, wanted, printer)
                case _:
                    await _control(cloud, options, printer)
    except NoSuchSchedule as missing:
        raise Refused(str(missing)) from missing
    except (GoogleAPIError, GoogleAuthError) as error:
        raise SchedulerError(explained(error, runtime.settings.project)) from error
    return ExitCode.DONE


def _check(options: Namespace) -> None:
    """Raise CouldNotRun for what makes no sense together."""
    action, is_named = options.action, bool(options.name)
    if action in {"pause", "resume"} and is_named == options.all:
        raise CouldNotRun(f"`schedules {action}` takes the name of a schedule, or --all.")
    if action == "run" and (not is_named or options.all):
        raise CouldNotRun("`schedules run` takes the name of one schedule.")
    if action in {"sync", "list"} and (is_named or options.all):
        raise CouldNotRun(f"`schedules {action}` takes no name: it is about every schedule.")


async def _sync(cloud: "SchedulerClients", wanted: Declared, options: Namespace, printer: Printer) -> None:
    from scheduler.sync import planned

    steps = await planned(cloud, wanted)
    printer.table("step", [_row(step) for step in steps], _PLAN)
    if options.plan:
        printer.say("Nothing was changed: this is the plan.")
        return
    if doomed := [step.name for step in steps if step.action is Action.REMOVE]:
        await confirm(options, f"Removes {', '.join(doomed)}, which the table of functions does not declare.")
    for step in steps:
        await step.act()
    counts = Counter(step.action for step in steps)
    printer.line({"done": {said: counts[action] for action, said in _DONE.items()}})
    done = ", ".join(f"{counts[action]} {said}" for action, said in _DONE.items() if counts[action])
    printer.say(f"Done: {done}." if done else "All is as declared; there was nothing to do.", style="green")


def _row(step: PlannedStep) -> dict[str, Any]:
    changes = {name: {"old": change.old, "new": change.new} for name, change in step.changes.items()}
    details = [f"{name}: {change.old or '(none)'} → {change.new}" for name, change in step.changes.items()]
    return {
        "action": step.action.value,
        "kind": step.kind,
        "name": step.name,
        "changes": changes,
        "note": step.note or None,
        "details": "\n".join([*details, *([step.note] if step.note else [])]) or None,
    }


async def _list(cloud: "SchedulerClients", wanted: Declared, printer: Printer) -> None:
    from scheduler.listing import listing

    rows = [
        {
            "name": one.name,
            "schedule": one.schedule,
            "timeZone": one.time_zone,
            "topic": one.topic,
            "state": one.state,
            "lastRunAt": one.last_run,
            "nextRunAt": one.next_run,
        }
        for one in await listing(cloud, wanted)
    ]
    printer.table("schedule", rows, _LISTING)


async def _control(cloud: "SchedulerClients", options: Namespace, printer: Printer) -> None:
    from scheduler import schedules

    for name in [options.name] if options.name else sorted(await schedules.ours(cloud)):
        match options.action:
            case "pause":
                told = "paused" if await schedules.pause(cloud, name) else "was paused already"
            case "resume":
                told = "runs again" if await schedules.resume(cloud, name) else "was not paused"
            case _:
                await schedules.run(cloud, name)
                told = "runs now"
        printer.line({"schedule": {"name": name, "told": told}})
        printer.say(f"{name}: {told}.", style="green")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=_ACTIONS, help="what is to be done; `run` lets a schedule run now")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the schedule that is paused, resumed or run")
    parser.add_argument("--all", action="store_true", help="pause or resume every schedule of Nightshift in the region")
    parser.add_argument("--plan", action="store_true", help="of a sync: print the plan and change nothing")
    parser.add_argument("--project", metavar="P", help="the project (default: that of the environment)")
    parser.add_argument("--region", default=_REGION, metavar="R", help="of the schedules (default: %(default)s)")
    parser.add_argument("--time-zone", metavar="TZ", help="read the schedules in another time zone than the declared")
    parser.add_argument("--file", type=Path, help="declares other schedules than the table of functions")
    parser.add_argument(
        "--api-endpoint",
        metavar="HOST:PORT",
        help="another server of Cloud Scheduler's API; on localhost in plain text, without credentials, and together "
        "with PUBSUB_EMULATOR_HOST",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long a call is repeated while a service is in passing trouble (default: %(default)s)",
    )


COMMAND: Final = Command(
    name="schedules",
    help="see, mend, pause, resume and run what Cloud Scheduler starts",
    description="`sync` prints a plan (create, change, same, remove, left) and carries it out: a removal is asked for, "
    "paused schedules stay paused, topics and other people's schedules are never removed. `list` shows the state and "
    "the runs. A paused schedule does not run until it is resumed.",
    example="schedules pause processBatchJobs",
    add_arguments=_add_arguments,
    run=_run,
    changes=True,
    asks_the_database=False,
)
