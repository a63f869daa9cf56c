"""What the services allow, and where that stands; each is a bound of the model.

- Firestore takes 500 writes a second of a new load at first, and half as many more every five minutes:
  https://firebase.google.com/docs/firestore/best-practices#ramping_up_traffic
- One document takes about one write a second for long: the same page, "hotspots". A burst may be faster for a while.
- A batch holds 50,000 requests; a part of a bulk job holds as many rows as `NIGHTSHIFT_PART_ITEMS`.
- `NIGHTSHIFT_MAX_PARTS_IN_FLIGHT` parts of one bulk job are under way at once.
"""

from typing import Final

from nightshift.instance import Bounds
from nightshift.instant.realtime import GIVEN_UP_AFTER
from nightshift.settings import Settings

FIRST_WRITES_PER_SECOND: Final = 500.0
_RAMP_SECONDS: Final = 300.0
_RAMP: Final = 1.5
# Beyond it one would talk to Google first.
MOST_WRITES_PER_SECOND: Final = 10_000.0
DOCUMENT_WRITES_PER_SECOND: Final = 1.0
PARTS_AT_ONCE: Final[int] = Settings.model_fields["max_parts_in_flight"].default
PART_ITEMS: Final[int] = Settings.model_fields["part_items"].default
BATCH_REQUESTS: Final[int] = Settings.model_fields["max_batch_requests"].default
COALESCE_SECONDS: Final[float] = Settings.model_fields["coalesce_seconds"].default
# The window doubles while so many jobs wait, a page of the queue, up to so many times as wide (batches/lanes.py).
BURST_JOBS: Final[int] = Bounds().page_jobs
WIDEST_WINDOWS: Final = 8
# After which a tick admits a job that is still `created`, and how many it takes on (jobs/created.py).
RESCUE_SECONDS: Final[float] = Settings.model_fields["rescue_seconds"].default
RESCUED_JOBS: Final = 20_000
RESCUED_AT_ONCE: Final = 16
CALLS_AT_ONCE: Final = 80
GIVEN_UP_SECONDS: Final = GIVEN_UP_AFTER.total_seconds()
# Charges of one wallet that share a commit, at most (admission/charges.py).
CHARGES_AT_ONCE: Final = 100


def writes_per_second(seconds_since_start: float) -> float:
    """What Firestore takes of a load that began so long ago."""
    grown = FIRST_WRITES_PER_SECOND * _RAMP ** (seconds_since_start // _RAMP_SECONDS)
    return float(min(MOST_WRITES_PER_SECOND, grown))
