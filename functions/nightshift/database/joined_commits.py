"""Commits that share a call: what is to be committed while one is under way gathers, and goes with the next.

A call to the database costs more than the few writes in it. So commits that touch different documents are sent as one.
It lands whole or not at all. A refused one would take the others with it, so each is then sent again by itself. It
cannot land twice: each carries preconditions that its own landing breaks. Where an answer was lost, every caller is
told so, as if its commit had been sent alone, and reads again before it decides.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from nightshift.database.commits import Commit, Undecided
from nightshift.database.grouped_calls import Group, GroupedCalls
from nightshift.errors import NeverLands
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    JoinedCommits = GroupedCalls[Commit, datetime]

_MOST_COMMITS: Final = 100
# One gRPC message holds 10 MiB in production and 4 MiB in the emulator.
_MOST_BYTES: Final = 3_000_000


def new_joined_commits(runtime: Runtime) -> "JoinedCommits":
    """The joined commits of an instance."""
    return GroupedCalls(partial(_send_all, runtime), most=_MOST_COMMITS)


async def _send_all(runtime: Runtime, answers: Group[Commit, datetime]) -> None:
    await asyncio.gather(*(_send(runtime, commits, answers) for commits in joined(answers)))


def joined(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    """In their order, as many together as touch different documents and fit into one message."""
    together: list[Commit] = []
    touched: set[str] = set()
    size = 0
    for commit in commits:
        documents, commit_bytes = commit.documents, commit.bytes
        if together and (touched & documents or size + commit_bytes > _MOST_BYTES):
            yield together
            together, touched, size = [], set(), 0
        together.append(commit)
        touched |= documents
        size += commit_bytes
    if together:
        yield together


async def _send(runtime: Runtime, commits: Sequence[Commit], answers: Group[Commit, datetime]) -> None:
    whole = Commit(runtime)
    whole.writes = [write for commit in commits for write in commit.writes]
    try:
        update_time = await whole.send()
    except Exception as trouble:  # noqa: BLE001 - raised where it was asked
        if _has_not_landed(trouble) and len(commits) > 1:
            await asyncio.gather(*(_send(runtime, [commit], answers) for commit in commits))
            return
        for commit in commits:
            answers[commit].set_exception(trouble)
    else:
        for commit in commits:
            answers[commit].set_result(update_time)


def _has_not_landed(trouble: Exception) -> bool:
    return isinstance(trouble, NeverLands) or (isinstance(trouble, Undecided) and trouble.is_refusal)
