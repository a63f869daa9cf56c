"""Plans all steps, and then takes them: what is missing is found before anything is changed."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from deploy import preflight
from deploy.change import Change
from deploy.deployment import Deployment
from deploy.errors import CommandFailed, Unfinished
from deploy.steps import STEPS, Step

# Looks alone: what a person has to bring, and what a person should know.
_PREFLIGHT: Final = Step("Ready", preflight.changes)

Say = Callable[[str], None]


async def plan(deployment: Deployment, say: Say, *, with_commands: bool) -> list[Change]:
    """Say what there is to do; nothing is changed.

    Args:
        with_commands: say by which commands, too.
    """
    cloud = deployment.cloud
    if cloud.blind_because:
        say(f"gcloud cannot ask: {cloud.blind_because}\nSo all is shown as if nothing existed.\n")
    planned: list[Change] = []
    for step in (_PREFLIGHT, *STEPS):
        say(step.title)
        changes = await _changes(deployment, step)
        for change in changes:
            is_unknown = cloud.blind_because and change.action in {"create", "change"}
            say(f"  {'unknown, would create' if is_unknown else change.action:<9} {change.what}")
            for command in change.commands if with_commands else ():
                say(f"            {command}")
        planned += changes
    return planned


async def take(deployment: Deployment, say: Say) -> list[str]:
    """Take every step; each looks again at what there is, since what came before may have brought it.

    Returns:
        What an organisation's policy refused, in sentences for the person who deploys; all else is done.

    Raises:
        DeployError: something failed, or is missing. What was done so far is found done by the next run.
    """
    left = []
    for step in STEPS:
        for change in await _changes(deployment, step):
            if change.is_needed:
                try:
                    await _make(deployment, change, step, say)
                except CommandFailed as failed:
                    if change.instead is None or failed.trouble is not change.instead.refused_by:
                        raise
                    left.append(f"{change.what}: {failed}")
    return left


def refuse_if_missing(planned: Sequence[Change]) -> None:
    """Stop while nothing is changed.

    Raises:
        Unfinished: a person has to bring something first.
    """
    missing = [change.what for change in planned if change.action == "missing"]
    if missing:
        raise Unfinished("\n".join(["Nothing was changed, since this is missing:", *missing]))


async def _changes(deployment: Deployment, step: Step) -> list[Change]:
    return [change async for change in step.changes(deployment)]


async def _make(deployment: Deployment, change: Change, step: Step, say: Say) -> None:
    say(f"{step.title}: {change.action} {change.what} ...")
    started = time.monotonic()
    try:
        await _run(deployment, change, say)
    except CommandFailed as failed:
        if change.instead is None or failed.trouble is not change.instead.refused_by:
            raise
        say(f"  refused by a policy of the organisation; instead: {change.instead.commands[-1]}")
        try:
            for command in change.instead.commands:
                await deployment.cloud.do(command)
        except CommandFailed as again:
            raise failed from again
    if change.until:
        await deployment.cloud.wait(change.until, f"{step.title}: {change.what}")
    say(f"  done after {time.monotonic() - started:.0f} s")


async def _run(deployment: Deployment, change: Change, say: Say) -> None:
    for command in change.commands:
        said = await deployment.cloud.do(command)
        if change.action == "check":
            say(said.strip())
