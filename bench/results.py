"""`bench/results.json`: the numbers of the last run with which other programs go on, as the model of `make simulate`.

A question puts its own numbers there, below its name, whenever it is asked.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from local.part import ROOT

PATH: Final = ROOT / "bench" / "results.json"


def recorded(question: str) -> dict[str, Any]:
    """The numbers of a question. Raises LookupError if it was never asked."""
    numbers: dict[str, Any] = json.loads(PATH.read_text())[question]
    return numbers


def record(question: str, numbers: Mapping[str, Any]) -> None:
    """Keep a question's numbers in the place of those before."""
    known = json.loads(PATH.read_text()) if PATH.exists() else {}
    PATH.write_text(json.dumps({**known, question: numbers}, indent=2, sort_keys=True) + "\n")
