"""`make bench`: ask the questions, print each answer as soon as it is there, and write docs/BENCHMARKS.md.

make bench                       all of them, and the page
make bench ONLY="admit per_job"  some of them, and no page

A missed aim is said, and is no error. A result that is wrong makes the exit status 1, and no page is written.
"""

import argparse
import sys
import time

from rich.console import Console

from bench import report
from bench.machine import this_machine
from bench.measured import Measured, ResultWrong
from bench.questions import QUESTIONS, BrokeOff, Question, answer
from local.part import ROOT

_PAGE = ROOT / "docs" / "BENCHMARKS.md"


def main() -> int:
    """Ask what the arguments name; returns the exit status."""
    names = [question.name for question in QUESTIONS]
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.relative_to(ROOT)}; asks all questions")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: the questions are {', '.join(names)}")
    if asked.names and asked.write:
        parser.error("--write writes the whole page: name no question with it")
    console = Console() if sys.stdout.isatty() else Console(width=report.WIDTH)
    answers = [_told(console, q) for q in QUESTIONS if not asked.names or q.name in asked.names]
    if None in answers:
        return 1
    if asked.write:
        _PAGE.write_text(report.page([found for found in answers if found], this_machine()))
        console.print(f"Written: {_PAGE.relative_to(ROOT)}")
    return 0


def _told(console: Console, question: Question) -> Measured | None:
    """The answer, which has been printed by then; None if the result is wrong, which has been said."""
    started_at = time.monotonic()
    try:
        found = answer(question)
    except ResultWrong as wrong:
        console.print(f"[bold red]{question.name}: the result is wrong.[/] {wrong}")
        return None
    except BrokeOff as fault:
        console.print(f"[bold red]{question.name}: it broke off twice.[/] {fault}")
        return None
    report.show(console, question.name, found, time.monotonic() - started_at)
    return found


if __name__ == "__main__":
    sys.exit(main())
