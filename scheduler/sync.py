"""The plan of a sync. Carried out again after any crash or error, it goes on where it was.

Topics come before the schedules that publish to them, and removals last.
"""

from typing import Final

from scheduler import schedules, topics
from scheduler.cloud import SchedulerClients
from scheduler.declared import Declared
from scheduler.step import Action, PlannedStep

_LAST: Final = (Action.REMOVE, Action.LEFT)


async def planned(cloud: SchedulerClients, declared: Declared) -> list[PlannedStep]:
    """One step for each schedule, topic and subscription, in the order in which they are carried out."""
    steps = [*await topics.plan(cloud, declared), *await schedules.plan(cloud, declared)]
    return sorted(steps, key=lambda step: step.action in _LAST)
