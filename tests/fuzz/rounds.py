"""Rounds of fuzzing: so many examples of one kind, by a seed. The same seed makes the same examples."""

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import api, batch_objects, documents, events, lines, odd_requests, pure, requests
from tests.fuzz.kind import Kind
from tests.fuzz.stage import Stage

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        documents.KIND,
        lines.KIND,
        batch_objects.KIND,
        requests.STATS,
        requests.WEBHOOK,
        api.KIND,
        odd_requests.KIND,
        events.KIND,
        pure.KIND,
    )
}
INPUTS_PER_ROUND = 250
# An example may be a page long.
_LONGEST_STORY = 4_000


@dataclass(frozen=True, kw_only=True)
class Round:
    """Some inputs of one kind, repeated by its name: `lines/77`, or `lines/77/40` for another number than usual."""

    kind: str
    seed: int
    inputs: int = INPUTS_PER_ROUND

    @property
    def name(self) -> str:
        """What repeats it."""
        return f"{self.kind}/{self.seed}/{self.inputs}"

    @classmethod
    def parse(cls, name: str) -> "Round":
        """The round of that name. Raises ValueError."""
        kind, number, inputs = name.split("/")
        if kind not in KINDS:
            raise ValueError(f"{kind}: the kinds are {', '.join(KINDS)}")
        return cls(kind=kind, seed=int(number), inputs=int(inputs))


@dataclass(frozen=True, kw_only=True)
class Fuzzed:
    """What came of a round."""

    round: Round
    # Those that were played; what Firestore itself refuses is not counted.
    inputs: int
    # What is broken, with the smallest example that breaks it; empty if nothing is.
    broken: str


def rounds(number: int, inputs: int) -> list[Round]:
    """The rounds that make up at least so many inputs, each kind by its share; the seeds follow from `number`."""
    planned: list[Round] = []
    for kind in KINDS.values():
        left = -(-inputs * kind.share // 100)
        while left > 0:
            planned.append(Round(kind=kind.name, seed=number + len(planned), inputs=min(left, INPUTS_PER_ROUND)))
            left -= INPUTS_PER_ROUND
    return planned


def run(asked: Round) -> int:
    """Play a round; returns how many inputs it had. Raises what is broken, with the smallest example as a note."""
    kind = KINDS[asked.kind]
    series = 0
    with Stage(kind) as stage:
        # An example may have fewer inputs than it has on average.
        while stage.inputs < asked.inputs:
            _run_series(kind, stage, f"{asked.seed}.{series}", examples=-(-(asked.inputs - stage.inputs) // kind.size))
            series += 1
        return stage.inputs


def _run_series(kind: Kind, stage: Stage, number: str, examples: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.examples)
    def play(example: Any) -> None:
        stage.play(example)

    play()


def play(asked: Round) -> Fuzzed:
    """Play a round. Never raises for what is broken in it."""
    try:
        return Fuzzed(round=asked, inputs=run(asked), broken="")
    except Exception as error:  # noqa: BLE001 - whatever breaks is the outcome
        return Fuzzed(round=asked, inputs=0, broken=_story(error))


def _story(error: BaseException) -> str:
    """What is broken, and by what; of an example that was not broken again in a new world, what it was at first."""
    causes = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
    told = [f"{type(cause).__name__}: {cause}"[:_LONGEST_STORY] for cause in causes]
    return "\n".join([*told, *getattr(error, "__notes__", [])])[: 2 * _LONGEST_STORY]
