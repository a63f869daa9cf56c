"""Google's emulators for the whole run, and for each test a project of its own.

The controller of the run starts the emulators once; its workers find them by the environment. A fresh project
id isolates a test completely, so nothing is ever wiped and tests run side by side.
"""

import gc
import os
import signal
from collections.abc import AsyncIterator

import hypothesis
import pytest

from local.cloud import Emulators
from tests.support import ended_loops, writing_rooms
from tests.support.world import World

writing_rooms.watch()
ended_loops.silence()
# How long an example takes is the machine's affair. The time limit of a test ends one that hangs.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")
_emulators = Emulators(say=lambda _: None)


# A shell that starts the run in the background lets it ignore Ctrl-C, and its programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the emulators, in the controller alone."""
    if "PYTEST_XDIST_WORKER" not in os.environ and not session.config.option.collectonly:
        os.environ.update(_emulators.start())


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look at it again and again."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Stop what was started here."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _emulators.stop()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A project of its own, its functions, and its provider."""
    async with World(monkeypatch).running() as running:
        yield running
