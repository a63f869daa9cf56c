"""The ids of ledger entries."""

import re
from typing import Final

# What one grant may add: a slip of the finger makes nobody rich.
MOST_GRANTED: Final = 1_000_000
# A job's entries have a full stop in their ids, and a grant's has none.
_GRANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def charge_id(job_id: str) -> str:
    """The id of the ledger entry by which a job was paid."""
    return f"{job_id}.charge"


def refund_id(job_id: str) -> str:
    """The id of the ledger entry by which a job's tokens came back."""
    return f"{job_id}.refund"


def names_a_grant(entry_id: str) -> bool:
    """Whether a ledger entry of this id is a grant's, and no job's whatever the job's id."""
    return bool(_GRANT_ID.fullmatch(entry_id)) and not entry_id.startswith("__")
