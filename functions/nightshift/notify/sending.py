"""One message on its way to a user, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nightshift.notify.compose import MessageText
from nightshift.notify.outbox import Message
from nightshift.notify.preferences import Way


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What one sender sends: some messages of one user, as one."""

    sending_id: str
    user_id: str
    messages: Sequence[Message]
    ways: tuple[Way, ...]
    text: MessageText
    # None where no e-mail is sent.
    address: str | None
    # What takes the address off the list without a sign-in.
    unsubscribe_key: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one way.

    - sent: the other side took it.
    - refused: it was not sent, and may be later.
    - failed: it was not sent, and never will be.
    - doubtful: it is not known, so it is not sent again.
    """

    kind: Literal["sent", "refused", "failed", "doubtful"]
    # For programs, and without an address: `smtp_550`, `no_address`.
    code: str = ""
