"""`sync`: compute the plan, print it, and carry it out; run again after any crash or error, it goes on where it was.

Topics come before the schedules that publish to them, and removals last.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from scheduler import schedules, topics
from scheduler.cloud import SchedulerClients
from scheduler.declared import Declared
from scheduler.report import SyncReport
from scheduler.step import Action, PlannedStep

_LAST: Final = (Action.REMOVE, Action.LEFT)


async def sync(
    cloud: SchedulerClients,
    declared: Declared,
    report: SyncReport,
    *,
    dry_run: bool,
    confirm: Callable[[list[str]], bool],
) -> None:
    """Bring Cloud Scheduler and Pub/Sub to what is declared.

    Args:
        confirm: is asked with the names of the schedules before any is removed; False = nothing at all is done.
    """
    steps = await planned(cloud, declared)
    report.plan(steps)
    doomed = [step.name for step in steps if step.action is Action.REMOVE]
    if dry_run or (doomed and not confirm(doomed)):
        report.end(None)
        return
    for step in steps:
        await step.act()
    report.end(Counter(step.action for step in steps))


async def planned(cloud: SchedulerClients, declared: Declared) -> list[PlannedStep]:
    """One step for each schedule, topic and subscription, in the order in which they are carried out."""
    steps = [*await topics.plan(cloud, declared), *await schedules.plan(cloud, declared)]
    return sorted(steps, key=lambda step: step.action in _LAST)
