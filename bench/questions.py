"""The questions, in the order in which they are asked, and how one is."""

import importlib
import multiprocessing
import os
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from bench.measured import Measured, ResultWrong
from local.cloud import running_emulators

# The longest question takes ten minutes on a quiet machine.
_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """One module of this package."""

    name: str
    # Without, it starts what it needs by itself.
    has_emulators: bool = True


QUESTIONS = (
    Question(name="ingest", has_emulators=False),
    Question(name="memory", has_emulators=False),
    Question(name="submit", has_emulators=False),
    Question(name="trigger"),
    Question(name="admit"),
    Question(name="burst", has_emulators=False),
    Question(name="polling"),
    Question(name="stats", has_emulators=False),
    Question(name="api", has_emulators=False),
    Question(name="cold_start", has_emulators=False),
    Question(name="instant"),
    Question(name="slow_server", has_emulators=False),
    Question(name="per_job"),
    Question(name="estimate", has_emulators=False),
    Question(name="eta", has_emulators=False),
    Question(name="bulk", has_emulators=False),
    Question(name="bulk_instant", has_emulators=False),
)


class BrokeOff(Exception):
    """A bench did not come to its end: an error instead of its results, in a line, or no end within the time."""


def answer(question: Question) -> Measured:
    """Ask a question in a new process; one that breaks off, or hangs, is asked once more, and the answer tells.

    Raises:
        ResultWrong: what was measured did not do its work.
        BrokeOff: it broke off twice.
    """
    try:
        return _asked(question)
    except BrokeOff as fault:
        found = _asked(question)
        return replace(found, notes=[*found.notes, f"Asked twice: the first time it broke off ({fault})."])


def _asked(question: Question) -> Measured:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
        asking = process.submit(_ask, question)
        try:
            return asking.result(_PATIENCE_SECONDS)
        except TimeoutError:
            for hanging in multiprocessing.active_children():
                hanging.kill()
            raise BrokeOff(f"no end within {_PATIENCE_SECONDS / 60:.0f} minutes") from None


def _ask(question: Question) -> Measured:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("NIGHTSHIFT_")]:
        # The caller's own settings are not what is measured.
        del os.environ[name]
    return _ask_here_and_say_why(question)


def _ask_here_and_say_why(question: Question) -> Measured:
    try:
        return _ask_here(question)
    except ResultWrong:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is
        # Errors of libraries cannot always be sent from process to process: a line can.
        raise BrokeOff(f"{type(fault).__name__} at {_place_of(fault)}") from None


def _place_of(fault: BaseException) -> str:
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _ask_here(question: Question) -> Measured:
    # The functions' log.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        if not question.has_emulators:
            return _answer_of(question)
        with running_emulators() as emulators:
            os.environ.update(emulators.environment)
            return _answer_of(question)


def _end_with_parent() -> None:
    """A bench whose caller was killed must not go on for minutes; its emulators are on a leash and go with it."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _answer_of(question: Question) -> Measured:
    # The event loop of deployed functions.
    found: Measured = uvloop.run(importlib.import_module(f"bench.{question.name}").ask())
    return found
