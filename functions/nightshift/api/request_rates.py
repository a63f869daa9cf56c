"""How often one user may call the API: a bucket of requests that fills again by the second.

Each instance counts for itself, in memory; so the bound of all is this one times the instances of `api`. It keeps a
script in a loop from taking what other users need. What a user may spend is bounded elsewhere, in the wallet.
"""

import math
from typing import Final

from nightshift.errors import HttpError
from nightshift.runtime import Runtime

# A user costs some 200 bytes.
_MOST_USERS: Final = 10_000


def take_request(runtime: Runtime, user_id: str) -> None:
    """Count one request of a user.

    Raises:
        HttpError: 429 with Retry-After, when none is left.
    """
    most = runtime.settings.api_requests_per_minute
    if not most:
        return
    of_users, now = runtime.instance.requests_left, runtime.now().timestamp()
    left, at = of_users.pop(user_id, (float(most), now))
    left = min(float(most), left + max(0.0, now - at) * most / 60)
    has_one = left >= 1
    of_users[user_id] = (left - 1 if has_one else left, now)
    if len(of_users) > _MOST_USERS:
        # A user who is forgotten begins with a full bucket; that takes 10,000 other users.
        of_users.popitem(last=False)
    if not has_one:
        wait_seconds = math.ceil((1 - left) * 60 / most)
        raise HttpError(
            429,
            "too_many_requests",
            f"Only {most} requests a minute are answered; try again in {wait_seconds} s.",
            {"Retry-After": str(wait_seconds)},
        )
