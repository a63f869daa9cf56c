"""Everything that one function instance keeps between its calls, by name.

All of it is a cache or a queue of this process. No promise rests on it: an instance that has just started, with nothing
of this, decides as safely, only with more reads.

Each part is built when it is first used. This is the one module that knows every room; the rooms reach it through
`runtime.instance`.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightshift.admission.charges import Charges
    from nightshift.batches.batch import Batch
    from nightshift.batches.lane_cache import LaneCache
    from nightshift.batches.members import Members
    from nightshift.bulk.known_parts import KnownParts
    from nightshift.database.calls import FirestoreCalls
    from nightshift.database.decoding import Snapshot
    from nightshift.database.grouped_calls import GroupedCalls
    from nightshift.database.joined_commits import JoinedCommits
    from nightshift.instant.pace import Pace
    from nightshift.pricing.shares import SpentShares
    from nightshift.pricing.spending import DayBudget
    from nightshift.runtime import Runtime
    from nightshift.values.lane import Lane


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much an instance takes on at once, and how long it waits: what no deployment need set."""

    # Jobs that are read in one page.
    page_jobs: int = 200
    # A longer wait of a job in real time is stored: the sweep takes it up, and the function ends.
    longest_pause_seconds: float = 10.0
    # How long an operator's command waits before it asks again for a lease.
    lease_pause_seconds: float = 1.0
    # A larger field of a document is left unread: a result has at most 100,000 bytes, an input less.
    read_field_bytes: int = 110_000
    # How many objects one call composes: https://cloud.google.com/storage/docs/composite-objects.
    composed_objects: int = 32
    # After which pauses a create is sent again whose file the provider does not find: some are not visible at once.
    visible_after_seconds: tuple[float, ...] = (0.5, 1.0, 2.0)
    # From so much of a document on, the rest is left unread: what is written until its end needs room in its 1 MiB.
    read_bytes: int = 400_000
    # Of how many parts of bulk jobs an instance remembers what it read: some two megabytes.
    known_parts: int = 2_000
    # No commit lands so long after its request came: ours are given up after 20 seconds.
    commit_lands_within_seconds: float = 60.0


class Instance:
    """What one instance keeps."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self.bounds = Bounds()
        # How fast this instance calls each lane's provider in real time.
        self.paces: dict[Lane, Pace] = {}
        # The lanes whose model has no listed price, each logged once.
        self.unpriced_lanes: set[Lane] = set()
        # The providers that a job needs and that have no key here, each logged once.
        self.absent_providers: set[str] = set()
        # How many requests' bodies are being read.
        self.bodies_on_their_way = 0
        # Of each lane how many seconds its last batches took, the oldest first, and when that was read.
        self.lane_durations: dict[Lane, tuple[datetime, list[float]]] = {}
        # Whether an admin has stopped submission, and until when that need not be read again.
        self.submission_stopped: tuple[bool, datetime] | None = None
        # By uid, the user who was idle the longest first: the requests to the API that are left, and since when.
        self.requests_left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @cached_property
    def firestore_calls(self) -> "FirestoreCalls":
        """The calls of Firestore that every job needs."""
        from nightshift.database.calls import FirestoreCalls

        return FirestoreCalls(self._runtime.firestore)

    @cached_property
    def reads(self) -> "GroupedCalls[str, Snapshot]":
        """Reads of single documents, which share calls."""
        from nightshift.database.reads import new_reads

        return new_reads(self._runtime)

    @cached_property
    def joined_commits(self) -> "JoinedCommits":
        """Commits of single jobs, which share calls."""
        from nightshift.database.joined_commits import new_joined_commits

        return new_joined_commits(self._runtime)

    @cached_property
    def charges(self) -> "Charges":
        """Charges of wallets, which share commits."""
        from nightshift.admission.charges import new_charges

        return new_charges(self._runtime)

    @cached_property
    def portions(self) -> asyncio.Semaphore:
        """Bounds the memory that settling result lines takes, whatever shards they are of."""
        from nightshift.batches.lines import PORTIONS_AT_ONCE

        return asyncio.Semaphore(PORTIONS_AT_ONCE)

    @cached_property
    def lanes(self) -> "LaneCache":
        """Until when each lane need not be looked at."""
        from nightshift.batches.lane_cache import LaneCache

        return LaneCache(self._runtime)

    @cached_property
    def day_budget(self) -> "DayBudget":
        """What the day's budget still has for answers in real time."""
        from nightshift.pricing.spending import DayBudget

        return DayBudget(self._runtime)

    @cached_property
    def spent_shares(self) -> "SpentShares":
        """The users who have taken their share of the day's budget."""
        from nightshift.pricing.shares import SpentShares

        return SpentShares(self._runtime)

    @cached_property
    def bulk_parts(self) -> "KnownParts":
        """The parts of the bulk jobs that this instance has moved on lately."""
        from nightshift.bulk.known_parts import KnownParts

        return KnownParts(self._runtime)

    def part_members(self, batch: "Batch") -> "Members":
        """What the batch of a bulk job's part asks for."""
        from nightshift.bulk.members import PartMembers

        return PartMembers(self._runtime, batch)
