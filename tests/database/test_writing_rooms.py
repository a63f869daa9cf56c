"""One room writes each collection, and the page says which."""

import re

import pytest

from local.part import ROOT
from nightshift.database import collections as names
from nightshift.database.commits import Commit
from tests.support.world import World
from tests.support.writing_rooms import WRITING_ROOMS, check

# They lie below a document, which belongs to one room with all of it.
_BELOW = {names.SHARDS, names.LEDGER, names.PARTS, names.POINTS, names.DEVICE_TOKENS}


def test_every_collection_has_one_writing_room_and_the_page_names_it() -> None:
    """docs/ARCHITECTURE.md has the same table, and a new collection a room."""
    declared = {name for key, name in vars(names).items() if key.isupper()}
    rows = re.findall(r"^\| (`[^|]+`) \| `(\w+)` \|$", (ROOT / "docs" / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    told = {name: room for cell, room in rows for name in re.findall(r"`(\w+)`", cell)}

    assert declared - _BELOW == WRITING_ROOMS.keys()
    assert {name: told.get(name) for name in WRITING_ROOMS} == dict(WRITING_ROOMS)


@pytest.mark.parametrize(
    ("kind", "collection", "module"),
    [
        ("update", "ai_jobs", "nightshift.jobs_of_another.claim"),
        ("create", "wallets", "nightshift.admission.charges"),
        ("update", "ai_jobs", "cli.erasure.documents"),
        ("create", "unknown", "nightshift.jobs.ends"),
    ],
)
def test_another_rooms_write_is_found(kind: str, collection: str, module: str) -> None:
    """Also of the erasure, which may delete and nothing else; and of a collection without a room."""
    with pytest.raises(AssertionError):
        check(kind, collection, module)


async def test_each_write_of_a_test_is_looked_at(world: World) -> None:
    """A commit of a foreign room's code is refused; a test may write what it likes."""
    runtime = world.operators_runtime()
    ref = runtime.firestore.document("wallets/alice")
    foreign = {"__name__": "nightshift.admission.charges"}
    exec("def add(commit, ref):\n    commit.create(ref, {})", foreign)  # noqa: S102

    Commit(runtime).create(ref, {})
    with pytest.raises(AssertionError, match=r"nightshift\.admission\.charges writes wallets"):
        foreign["add"](Commit(runtime), ref)  # type: ignore[operator]
