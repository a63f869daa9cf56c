"""The journeys whose calls are enumerated, each a coroutine over a stage.

A stage is a world whose functions run under traffic: a function that died is followed by a new process, and
nothing else is done about it. An event whose function died or failed is not delivered again, so what it left is for
later triggers and ticks to find; only the journey `twice` delivers every event a second time.

Every journey ends with `stage.finish()`: ticks, as often as Cloud Scheduler sends them, until nothing is under way
any more. The first comes while the leases of the dead still live, the others after they have run out.

A new journey is one more function with `@journey`, in the file of its theme.
"""

from tests.chaos.journeys import bulk, history, operators, providers, single_jobs, users
from tests.chaos.journeys.journey import JOURNEYS, Journey
from tests.chaos.journeys.stage import Stage

__all__ = ["JOURNEYS", "Journey", "Stage", "bulk", "history", "operators", "providers", "single_jobs", "users"]
