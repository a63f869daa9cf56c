"""A bench that breaks off is asked again, and the answer tells of it; a wrong result is one at once."""

import pickle
from pathlib import Path

import pytest

from bench import questions
from bench.measured import Aim, Measured, Measurement, ResultWrong
from bench.questions import QUESTIONS, BrokeOff
from bench.report import page

ANSWER = Measured(question="How fast?", measurements=[], notes=["By hand."])


class NeedsTwo(Exception):
    """An error that cannot be made from its text alone, as those of some libraries."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def test_whatever_ends_a_bench_can_be_sent_to_the_one_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a line with its kind and place."""

    def fail(_: object) -> Measured:
        raise NeedsTwo("a", "b")

    monkeypatch.setattr(questions, "_answer_of", fail)
    with pytest.raises(BrokeOff) as told:
        questions._ask_here_and_say_why(next(question for question in QUESTIONS if not question.has_emulators))
    sent = pickle.loads(pickle.dumps(told.value))  # noqa: S301 - our own
    assert str(sent).startswith(f"NeedsTwo at {Path(__file__).name}:")


def test_one_that_breaks_off_is_asked_again_and_the_answer_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, and then no more."""
    faults = [BrokeOff("ReadError at x.py:1")]

    def asked(_: object) -> Measured:
        if faults:
            raise faults.pop()
        return ANSWER

    monkeypatch.setattr(questions, "_asked", asked)
    found = questions.answer(QUESTIONS[0])
    assert found.notes == ["By hand.", "Asked twice: the first time it broke off (ReadError at x.py:1)."]

    faults += [BrokeOff("again"), BrokeOff("once")]
    with pytest.raises(BrokeOff, match="again"):
        questions.answer(QUESTIONS[0])


def test_a_wrong_result_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would say as little the second time."""
    asked = list[object]()

    def wrong(question: object) -> Measured:
        asked.append(question)
        raise ResultWrong("A job is gone.")

    monkeypatch.setattr(questions, "_asked", wrong)
    with pytest.raises(ResultWrong):
        questions.answer(QUESTIONS[0])
    assert len(asked) == 1


def test_an_aim_carries_how_far_its_runs_lie_apart() -> None:
    """What was measured once says so."""
    rows = [
        Measurement(name="a", measured="2/s", number=2.0, aim=Aim(sign="≥", bound=1), spread=[1.5, 2.5, 2.0]),
        Measurement(name="b", measured="2/s", number=2.0, aim=Aim(sign="≥", bound=1)),
        Measurement(name="c", measured="2/s", number=2.0),
    ]
    lines = page([Measured(question="How fast?", measurements=rows)], {}).splitlines()
    assert "| a | 2/s |  | 2 | 1.5 to 2.5 | ≥ 1 | met |" in lines
    assert "| b | 2/s |  | 2 | one run | ≥ 1 | met |" in lines
    assert "| c | 2/s |  | 2 |  |  |  |" in lines
