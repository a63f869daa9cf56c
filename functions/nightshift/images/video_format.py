"""Whether the AI can watch a video, by its first bytes. Its content type and its name are what the uploader says.

Nothing is decoded. What passes here and cannot be watched all the same is refused by the provider, and refunded.
"""

from typing import Final

from nightshift.errors import JobRefused
from nightshift.values.texts import Text

# Enough of the beginning to know the format.
FIRST_VIDEO_BYTES: Final = 16
# What Gemini fetches from an address: https://ai.google.dev/gemini-api/docs/file-input-methods. storage.rules has the
# same bound.
MAX_VIDEO_BYTES: Final = 100 * 1024 * 1024
# The boxes that a file of ISO 14496-12 begins with, and the brand of QuickTime.
_ISO_BOX: Final = b"ftyp"
_QUICKTIME: Final = b"qt  "
# An image in the same container.
_HEIC: Final = frozenset({b"heic", b"heix", b"mif1", b"msf1", b"avif"})
_EBML: Final = b"\x1a\x45\xdf\xa3"
_NOT_ENCODED: Final = frozenset({None, "", "identity"})


def video_type(first_bytes: bytes) -> str:
    """The media type of a video.

    Args:
        first_bytes: FIRST_VIDEO_BYTES of it, or all if it has fewer.

    Raises:
        JobRefused: invalid_input for anything else.
    """
    if first_bytes[4:8] == _ISO_BOX and first_bytes[8:12] not in _HEIC:
        return "video/quicktime" if first_bytes[8:12] == _QUICKTIME else "video/mp4"
    if first_bytes.startswith(_EBML):
        return "video/webm"
    raise JobRefused("invalid_input", Text.VIDEO_FORMAT.say())


def check_video_properties(size_bytes: int, content_encoding: str | None) -> None:
    """Judge what Cloud Storage says of a file. Raises JobRefused: invalid_input."""
    if size_bytes == 0:
        raise JobRefused("invalid_input", Text.VIDEO_EMPTY.say())
    if size_bytes > MAX_VIDEO_BYTES:
        raise JobRefused("invalid_input", Text.VIDEO_TOO_LARGE.say(megabytes=MAX_VIDEO_BYTES >> 20))
    if content_encoding not in _NOT_ENCODED:
        raise JobRefused("invalid_input", Text.VIDEO_ENCODED.say(), "the upload has a contentEncoding")
