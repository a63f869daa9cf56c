"""How much a caller may send: enough for every honest request, and nothing that would fill the memory."""

from typing import Final

from starlette.requests import ClientDisconnect, Request

from nightshift.errors import HttpError

# An ID token has some 1,500 bytes, with the most custom claims that Firebase allows 3,000; proxies add a few headers.
_MOST_HEADER_BYTES: Final = 16 * 1024


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


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The body, counted as it comes, whatever length it announces.

    Raises:
        HttpError: 413 as soon as there are more than `most_bytes`, 400 when the caller goes away halfway.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise HttpError(413, "too_large", f"The body may have {most_bytes} bytes.")
    except ClientDisconnect as gone:
        raise HttpError(400, "incomplete", "The body did not arrive whole.") from gone
    return bytes(body)
