"""The questions, in the order in which they are asked, and how one is."""

import asyncio
import importlib
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from bench.measured import Measured
from local.cloud import running_emulators


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
    Question(name="per_job"),
    Question(name="estimate", has_emulators=False),
    Question(name="eta", has_emulators=False),
    Question(name="bulk", has_emulators=False),
)


def answer(question: Question) -> Measured:
    """Ask a question in a new process. Raises ResultWrong, or what went wrong there."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
        return process.submit(_ask, question).result()


def _ask(question: Question) -> Measured:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("NIGHTSHIFT_")]:
        # The caller's own settings are not what is measured.
        del os.environ[name]
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
    found: Measured = asyncio.run(importlib.import_module(f"bench.{question.name}").ask())
    return found
