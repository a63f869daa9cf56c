"""How much a caller may send: enough for every honest request, and nothing that would fill the memory."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from nightshift.errors import HttpError
from nightshift.instance import Instance

# An ID token has some 1,500 bytes, with the most custom claims that Firebase allows 3,000; proxies add a few headers.
_MOST_HEADER_BYTES: Final = 16 * 1024
# An honest body is there at once, or at the pace of its network. A slow one must not hold a connection open.
_MOST_SECONDS: Final = 10.0
# Bodies that an instance reads at the same time: more than Cloud Run lets in, so only a function without it refuses.
_MOST_READ_AT_ONCE: Final = 100


def check_headers(request: Request) -> None:
    """Refuse what no honest caller sends.

    Raises:
        HttpError: 431 for more than 16 KiB of headers.
    """
    if sum(len(name) + len(text) for name, text in request.headers.raw) > _MOST_HEADER_BYTES:
        raise HttpError(431, "too_large", f"The headers may have {_MOST_HEADER_BYTES} bytes together.")


def check_is_json(request: Request) -> None:
    """Refuse a body that calls itself anything but JSON; one without a content type may be it.

    Raises:
        HttpError: 415.
    """
    content_type = request.headers.get("content-type")
    if content_type and not content_type.partition(";")[0].strip().lower().endswith(("/json", "+json")):
        raise HttpError(415, "unsupported_media_type", "Send JSON.")


@contextmanager
def _counted(instance: Instance) -> Iterator[None]:
    if instance.bodies_on_their_way >= _MOST_READ_AT_ONCE:
        raise HttpError(503, "unavailable", "Too many requests at once; try again.", {"Retry-After": "10"})
    instance.bodies_on_their_way += 1
    try:
        yield
    finally:
        instance.bodies_on_their_way -= 1


async def read_body(request: Request, most_bytes: int, instance: Instance) -> bytes:
    """The body, counted as it comes, whatever length it announces.

    Raises:
        HttpError: 413 as soon as there are more than `most_bytes`, 408 when it takes more than ten seconds in all,
        400 when the caller goes away halfway, 503 while too many others are read.
    """
    body = bytearray()
    with _counted(instance):
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most_bytes:
                        raise HttpError(413, "too_large", f"The body may have {most_bytes} bytes.")
        except TimeoutError as slow:
            raise HttpError(408, "too_slow", f"The body may take {_MOST_SECONDS:.0f} seconds.") from slow
        except ClientDisconnect as gone:
            raise HttpError(400, "incomplete", "The body did not arrive whole.") from gone
    return bytes(body)
