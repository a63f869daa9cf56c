"""What a journey is, and all of them by name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.journeys.stage import Stage


@dataclass(frozen=True)
class Journey:
    """One journey.

    `submissions`: how often a job of it is submitted at most while nothing is struck. `answers`: how many of these the
    provider answers, and is paid for. `provider` is that of the jobs' model. `erases`: a user's documents are deleted,
    which the history may have counted by then.
    """

    name: str
    submissions: int
    answers: int
    provider: str
    erases: bool
    play: Callable[[Stage], Awaitable[None]]


JOURNEYS: dict[str, Journey] = {}


def journey(
    *, submissions: int = 1, answers: int = 1, provider: str = "openai", erases: bool = False
) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Register a coroutine function as a journey under its own name."""

    def register(play: Callable[[Stage], Awaitable[None]]) -> None:
        name = play.__name__.replace("_", "-")
        JOURNEYS[name] = Journey(name, submissions, answers, provider, erases, play)

    return register


# In real time an attempt is a question to the provider: a fault there costs one for each of its calls, and a death one.
MOST_QUESTIONS = 6
