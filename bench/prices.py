"""List prices in US dollars, before tax and discounts: what each thing costs, where that stands, when it was read.

Cloud Run's and Pub/Sub's prices were read in stored copies of their pages; the others at second hand, in public
repositories that quote the pages, or Google's catalogue of SKUs. A price that none of them states for a region is
taken from us-central1, and its `note` says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Region = Literal["asia-south1", "us-central1"]
DEFAULT_REGION: Final[Region] = "asia-south1"
READ_ON: Final = "2026-11-22"

GIB: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class Price:
    """What `per` units of something cost, after those that are free each month."""

    usd: float
    per: float
    unit: str
    # Units a month; what is free each day is counted for 31 days.
    free: float = 0.0
    source: str
    note: str = ""

    def cost(self, units: float) -> float:
        """What so many units cost in a month."""
        return max(0.0, units - self.free) * self.usd / self.per


_DAYS: Final = 31

_FIRESTORE = "https://cloud.google.com/firestore/pricing"
_RUN = "https://cloud.google.com/run/pricing"
_STORAGE = "https://cloud.google.com/storage/pricing"
_PUBSUB = "https://cloud.google.com/pubsub/pricing"
_EVENTARC = "https://cloud.google.com/eventarc/pricing"
_SCHEDULER = "https://cloud.google.com/scheduler/pricing"

_NOT_REGIONAL = "us-central1's price, for asia-south1's own was not found; it may be higher"


def _firestore(note: str = "") -> dict[str, Price]:
    return {
        "Firestore reads": Price(
            usd=0.03, per=100_000, unit="documents", free=50_000 * _DAYS, source=_FIRESTORE, note=note
        ),
        "Firestore writes": Price(
            usd=0.09, per=100_000, unit="documents", free=20_000 * _DAYS, source=_FIRESTORE, note=note
        ),
        # Without the 20,000 a day that are free: a TTL policy's deletes have none.
        "Firestore deletes": Price(usd=0.01, per=100_000, unit="documents", source=_FIRESTORE, note=note),
        "Firestore storage": Price(usd=0.15, per=GIB, unit="byte-months", free=GIB, source=_FIRESTORE, note=note),
    }


# asia-south1 is in Cloud Run's first price tier, as us-central1 is. Functions of the 2nd generation are billed as it.
_EVERYWHERE: Final[Mapping[str, Price]] = {
    "Functions: vCPU": Price(usd=0.000024, per=1, unit="vCPU-seconds", free=180_000, source=_RUN),
    "Functions: memory": Price(usd=0.0000025, per=1, unit="GiB-seconds", free=360_000, source=_RUN),
    "Functions: calls": Price(usd=0.40, per=1_000_000, unit="requests", free=2_000_000, source=_RUN),
    "Pub/Sub": Price(usd=40.0, per=2**40, unit="bytes", free=10 * GIB, source=_PUBSUB),
    "Eventarc": Price(
        usd=0.0, per=1_000_000, unit="events", source=_EVENTARC, note="events of Google's own services are free"
    ),
    "Cloud Scheduler": Price(usd=0.10, per=1, unit="schedules", free=3, source=_SCHEDULER),
}

PRICES: Final[Mapping[Region, Mapping[str, Price]]] = {
    "asia-south1": {
        **_firestore(_NOT_REGIONAL),
        **_EVERYWHERE,
        "Storage: bytes": Price(
            usd=0.023,
            per=GIB,
            unit="byte-months",
            source=_STORAGE,
            note="SKU 2717-BEFE-3773; Cloud Storage's free tiers are for regions of the USA only",
        ),
        "Storage: class A": Price(usd=0.005, per=1_000, unit="operations", source=_STORAGE),
        "Storage: class B": Price(usd=0.0004, per=1_000, unit="operations", source=_STORAGE),
        "Egress": Price(
            usd=0.12,
            per=GIB,
            unit="bytes",
            source=_FIRESTORE,
            note="the page's network table, to anywhere but China and Australia, first TiB; free tiers left out",
        ),
    },
    "us-central1": {
        **_firestore(),
        **_EVERYWHERE,
        "Storage: bytes": Price(usd=0.020, per=GIB, unit="byte-months", free=5 * GIB, source=_STORAGE),
        "Storage: class A": Price(usd=0.005, per=1_000, unit="operations", free=5_000, source=_STORAGE),
        "Storage: class B": Price(usd=0.0004, per=1_000, unit="operations", free=50_000, source=_STORAGE),
        "Egress": Price(
            usd=0.105, per=GIB, unit="bytes", free=GIB, source=_RUN, note="within North America, first 10 TiB"
        ),
    },
}

# What Firestore's operations and storage cost in the multi-region nam5, by the same page.
MULTI_REGION: Final[Mapping[str, Price]] = {
    "Firestore reads": Price(usd=0.06, per=100_000, unit="documents", free=50_000 * _DAYS, source=_FIRESTORE),
    "Firestore writes": Price(usd=0.18, per=100_000, unit="documents", free=20_000 * _DAYS, source=_FIRESTORE),
    "Firestore deletes": Price(usd=0.02, per=100_000, unit="documents", source=_FIRESTORE),
    "Firestore storage": Price(usd=0.18, per=GIB, unit="byte-months", free=GIB, source=_FIRESTORE),
}
