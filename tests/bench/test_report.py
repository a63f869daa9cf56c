"""The page of benchmarks, as it is written from the answers."""

from bench.measured import Aim, Measured, Measurement
from bench.report import page

NOTE = "All of it was measured on one machine, whose two cores are shared by all that takes part. " * 3
ROWS = [
    Measurement(
        name="met", measured="9 jobs/s", number=0.9, aim=Aim(sign="≥", bound=0.8), spread=[0.85, 0.95], left="Nothing."
    ),
    Measurement(
        name="missed",
        measured="1 job/s",
        number=0.1,
        aim=Aim(sign="≥", bound=0.8),
        left="The database answers no sooner, and what it is asked for has to be asked for. " * 2,
    ),
    Measurement(name="by heart", measured="2", number=2, aim=Aim(sign="≤", bound=3), is_computed=True),
    Measurement(name="beside", measured="2 ms"),
]
WRITTEN = page([Measured(question="How fast?", measurements=ROWS, notes=[NOTE, "| a | b |"])], {"CPU": "two cores"})


def test_the_page_says_first_what_was_missed_and_what_is_left_there() -> None:
    """In words of the bench itself, since the page is written anew each time."""
    head = WRITTEN.partition("Measured on")[0]
    assert "2 of 3 aims are met. Missed:" in head
    assert "- **missed**: 0.1, aim ≥ 0.8. The database answers no sooner" in head
    assert "Nothing." not in WRITTEN


def test_each_aim_stands_with_the_spread_of_its_runs() -> None:
    """Or with the word that it has none."""
    assert "| met | 9 jobs/s |  | 0.9 | 0.85 to 0.95 | ≥ 0.8 | met |" in WRITTEN
    assert "| missed | 1 job/s |  | 0.1 | one run | ≥ 0.8 | missed |" in WRITTEN
    assert "| by heart | 2 |  | 2 | computed | ≤ 3 | met |" in WRITTEN
    assert "| beside | 2 ms |  |  |  |  |  |" in WRITTEN


def test_prose_is_broken_into_lines_and_tables_are_not() -> None:
    """As every page has it."""
    assert all(len(line) <= 120 for line in WRITTEN.splitlines())
    assert "\n| a | b |\n" in WRITTEN
