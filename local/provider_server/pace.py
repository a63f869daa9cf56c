"""How long a batch stays in each status, and how long a direct chat completion takes.

All zero means that a batch moves as fast as its lines are answered, which is what tests want. A demo gives
each status a second, so that a person sees it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Least seconds of each; the lines of a batch are spread evenly over `in_progress_seconds`."""

    validating_seconds: float = 0
    in_progress_seconds: float = 0
    finalizing_seconds: float = 0
    # Of a direct chat completion: so long at least, and at most if that is more.
    answer_seconds: float = 0
    longest_answer_seconds: float = 0
    # How many of these are made at once; 0 for any number.
    answers_at_once: int = 0
