"""The content of one message: a string, or parts of the types that its role may have.

Images come as an `https://` address, which is not fetched here, or as a `data:` URL whose base64 must
decode. A provider cannot read storage addresses such as `gs://`, so a request with one is refused, as the
provider refuses it.
"""

import base64
import binascii
import re
from typing import Any

from local.provider_server.arguments import refuse_unknown, require_choice, require_string, wrong_type
from local.provider_server.errors import ApiError, JsonObject

PART_TYPES = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
}
IMAGE_DATA_URL = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,")
DETAILS = ("auto", "low", "high", "original")


def check_content(content: Any, role: str, where: str) -> None:
    """Raise ApiError (400) unless `content` is a string or a non-empty array of parts."""
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong_type(where, "a string or an array of objects", content)
    if not content:
        raise ApiError(400, f"Invalid '{where}': empty array.", param=where, code="empty_array")
    for place, part in enumerate(content):
        _check_part(part, role, f"{where}[{place}]")


def _check_part(part: Any, role: str, where: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(where, "an object", part)
    kind = require_choice(part, "type", PART_TYPES.get(role, ("text",)))
    refuse_unknown(part, ("type", kind, "prompt_cache_breakpoint"))
    if kind in ("text", "refusal"):
        if not isinstance(part.get(kind), str):
            raise wrong_type(f"{where}.{kind}", "a string", part.get(kind))
    elif not isinstance(part.get(kind), dict):
        raise wrong_type(f"{where}.{kind}", "an object", part.get(kind))
    elif kind == "image_url":
        _check_image(part["image_url"], f"{where}.image_url")


def _check_image(image: JsonObject, where: str) -> None:
    refuse_unknown(image, ("url", "detail"))
    url = require_string(image, "url")
    if image.get("detail") is not None:
        require_choice(image, "detail", DETAILS)
    if url.startswith("https://"):
        return
    found = IMAGE_DATA_URL.match(url)
    if found is None:
        raise ApiError(
            400,
            f"Invalid '{where}.url': expected an https:// address or a data:image/...;base64, URL "
            f"of a png, jpeg, gif or webp image, got '{url[:60]}'.",
            param=f"{where}.url",
            code="invalid_image_url",
        )
    try:
        decoded = base64.b64decode(url[found.end() :], validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded:
        raise ApiError(400, f"Invalid '{where}.url': not valid base64.", param=f"{where}.url", code="invalid_base64")
