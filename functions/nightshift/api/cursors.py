"""Pages of a list that is ordered by a time and an id: a page's token is where it ended.

A token is no secret and gives no right: whose documents are listed is decided by the caller alone. So it is read as
what any client may send.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore import Query

from nightshift.database.commits import READ
from nightshift.errors import HttpError
from nightshift.values.ids import names_a_document

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_MICROSECONDS: Final = 2**56


async def page_of(
    query: Any, page_size: int, page_token: str | None, *, by: str, newest_first: bool
) -> tuple[list[Any], str | None]:
    """The next documents of a query in the order of a time, and the token of the page after; None after the last.

    Args:
        by: the field that holds the time. A document without it is in no page.

    Raises:
        HttpError: 400 for what is no token of such a list.
    """
    direction = Query.DESCENDING if newest_first else Query.ASCENDING
    query = query.order_by(by, direction=direction).order_by("__name__", direction=direction).limit(page_size)
    if page_token is not None:
        at, name = _read(page_token)
        query = query.start_after({by: at, "__name__": name})
    page = list(await query.get(**READ))
    last = page[-1] if len(page) == page_size else None
    ends_at = last.get(by) if last else None
    return page, _token(ends_at, last.id) if last and isinstance(ends_at, datetime) else None


def _token(at: datetime, name: str) -> str:
    content = json.dumps([(at - _EPOCH) // timedelta(microseconds=1), name])
    return base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


def _read(token: str) -> tuple[datetime, str]:
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        microseconds, name = json.loads(content)
        if type(microseconds) is not int or not 0 <= microseconds < _MOST_MICROSECONDS:
            raise ValueError("it holds no time")
        if not isinstance(name, str) or not names_a_document(name):
            raise ValueError("it holds no id")
        return _EPOCH + timedelta(microseconds=microseconds), name
    except (ValueError, TypeError, RecursionError):
        raise HttpError(400, "invalid_page_token", "This is no page token of this list.") from None
