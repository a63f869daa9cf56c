"""Cursor listing, the same for files and batches: `after` names the last object already seen."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from starlette.requests import Request

from local.provider_server.errors import ApiError


class Identified(Protocol):
    """Anything with an id."""

    id: str


Listed = TypeVar("Listed", bound=Identified)


def page(objects: Sequence[Listed], after: str | None, limit: int) -> tuple[Sequence[Listed], bool]:
    """Return up to `limit` objects after the one with id `after`, and whether there are more."""
    start = 0
    if after is not None:
        places = [place for place, listed in enumerate(objects) if listed.id == after]
        if not places:
            raise ApiError(400, f"Invalid 'after': no object with id '{after}'.", param="after")
        start = places[0] + 1
    return objects[start : start + limit], len(objects) > start + limit


def read_limit(request: Request, default: int, most: int) -> int:
    """The `limit` of the query, which must be an integer between 1 and `most`."""
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise ApiError(
            400,
            f"Invalid 'limit': must be an integer between 1 and {most}.",
            param="limit",
            code="invalid_value",
        )
    return int(text)
