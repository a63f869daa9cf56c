"""What was seen at the provider a moment ago, so that many batches share one listing and none asks for itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from nightshift.providers.base import RemoteBatch


@dataclass(frozen=True, kw_only=True)
class ProviderListing:
    """Some batches of the provider's."""

    remotes: dict[str, RemoteBatch] = field(default_factory=dict)
    # When a listing began that showed all batches of ours; None = it was not complete, so others may be there.
    listed_at: datetime | None = None

    @classmethod
    def only(cls, remotes: Iterable[RemoteBatch]) -> "ProviderListing":
        """A listing of these batches, which does not claim to be complete."""
        return cls(remotes={remote.remote_id: remote for remote in remotes})


NOTHING_LISTED = ProviderListing()
