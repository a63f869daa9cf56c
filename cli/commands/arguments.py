"""What commands take: ids, checked as far as they can be before anything is asked."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nightshift.values.ids import is_user_id, names_a_document


def user_id(text: str) -> str:
    """The uid of a user."""
    if not is_user_id(text):
        raise ArgumentTypeError("it is no user's uid")
    return text


def document_id(text: str) -> str:
    """The id of a job's, a batch's or a bulk job's document."""
    if not names_a_document(text):
        raise ArgumentTypeError("no document can have this id")
    return text


def moment(text: str) -> datetime:
    """A time with its zone, or so many hours or days ago: `36h`, `2d`."""
    if ago := re.fullmatch(r"(\d{1,5})([hd])", text):
        return datetime.now(UTC) - timedelta(hours=int(ago[1]) * (24 if ago[2] == "d" else 1))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("it is no time such as 2026-11-28T10:30Z or 36h") from None
    if at.tzinfo is None:
        raise ArgumentTypeError("it has no time zone; write Z for UTC")
    return at


def whole_number(most: int) -> Callable[[str], int]:
    """What reads a number from 1 to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"it is no whole number from 1 to {most:,}")
        return int(text)

    return read


def job_batch_or_bulk(parser: ArgumentParser, what_happens: str) -> None:
    """Take `job ID`, `batch ID` or `bulk ID`, as `kind` and `id`; `what_happens` to it, for the help."""
    parser.add_argument("kind", choices=("job", "batch", "bulk"), help=f"what is {what_happens}")
    parser.add_argument("id", type=document_id, metavar="ID", help="its id")
