"""Whether the AI can read an image, by its bytes. Its content type and its name are what the uploader says: no proof.

Nothing is decoded, and not all is read: `HEAD_BYTES` from the beginning, and one further stretch that the format asks
for. That tells a whole file from half of one, its size in pixels, and a still picture from an animation. Only a decoder
could tell more; what passes here and cannot be read all the same is refused by the provider, and refunded.
"""

from collections.abc import Set
from types import ModuleType
from typing import Final

from nightshift.errors import JobRefused
from nightshift.images.formats import gif, jpeg, png, webp
from nightshift.images.formats.portions import Portions
from nightshift.values.texts import Text

# Enough of the beginning to know the format.
FIRST_BYTES: Final = 32
# OpenAI takes up to 20 MB per image and 50 MB per request, as PNG, JPEG, WebP or GIF that is not animated:
# https://platform.openai.com/docs/guides/images-vision#image-input-requirements. storage.rules has the same bound.
MAX_IMAGE_BYTES: Final = 20 * 1024 * 1024
_MEDIA_TYPES: Final[dict[ModuleType, str]] = {
    jpeg: "image/jpeg",
    png: "image/png",
    gif: "image/gif",
    webp: "image/webp",
}
# The brands of ISO 23008-12, as phones write them.
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"heif", b"mif1", b"msf1"})
# What `contentEncoding` says of bytes that are stored as they are; Firebase writes the second.
_NOT_ENCODED: Final = frozenset({None, "", "identity"})


def media_type(first_bytes: bytes) -> str:
    """The media type of an image in a format that a provider reads.

    Args:
        first_bytes: FIRST_BYTES of it, or all if it has fewer.

    Raises:
        JobRefused: invalid_input for anything else; a phone's HEIC gets a message of its own.
    """
    return _MEDIA_TYPES[_format_of(first_bytes)]


def check_type(first_bytes: bytes, image_types: Set[str]) -> None:
    """Judge an image's format by the media types that the provider's models read. Raises JobRefused: invalid_input."""
    found = media_type(first_bytes)
    if found not in image_types:
        names = sorted(one.partition("/")[2].upper() for one in image_types & set(_MEDIA_TYPES.values()))
        kind, wanted = found.partition("/")[2].upper(), f"{', '.join(names[:-1])} or {names[-1]}"
        raise JobRefused("invalid_input", Text.PHOTO_FORMAT_FOR_AI.say(kind=kind, wanted=wanted))


def check_properties(size_bytes: int, content_encoding: str | None) -> None:
    """Judge what Cloud Storage says of a file.

    Raises:
        JobRefused: invalid_input for a file that is empty or too large for the provider, and for one that is not
            delivered as it is stored: its bytes and its size would be those of something else.
    """
    if size_bytes == 0:
        raise JobRefused("invalid_input", Text.PHOTO_EMPTY.say())
    if size_bytes > MAX_IMAGE_BYTES:
        raise JobRefused("invalid_input", Text.PHOTO_TOO_LARGE.say(megabytes=MAX_IMAGE_BYTES >> 20))
    if content_encoding not in _NOT_ENCODED:
        raise JobRefused("invalid_input", Text.PHOTO_ENCODED.say(), "the upload has a contentEncoding")


def second_range(head: bytes, size_bytes: int) -> range:
    """Which further bytes `check_content` needs; none, if the head is the whole file. Raises JobRefused as it does."""
    wanted: range = _format_of(head).second_range(head, size_bytes)
    return wanted if len(head) < size_bytes else range(0)


def check_content(file: Portions) -> None:
    """Judge an image by its portions, `second_range` among them.

    Raises:
        JobRefused: invalid_input, with a sentence that says what the person can do.
    """
    _format_of(file.head).check(file)


def _format_of(first_bytes: bytes) -> ModuleType:
    if first_bytes.startswith(jpeg.SIGNATURE):
        return jpeg
    if first_bytes.startswith(png.SIGNATURE):
        return png
    if first_bytes.startswith(gif.SIGNATURES):
        return gif
    if webp.is_webp(first_bytes):
        return webp
    if first_bytes[4:8] == b"ftyp" and first_bytes[8:12] in _HEIC:
        raise JobRefused("invalid_input", Text.PHOTO_HEIC.say())
    raise JobRefused("invalid_input", Text.PHOTO_FORMAT.say())
