"""What an image is, by its first bytes. What its uploader says of it, a content type or a name, proves nothing."""

from typing import Final

from nightshift.errors import JobRefused

# Enough for every signature below.
FIRST_BYTES: Final = 32
# OpenAI takes up to 20 MB per image and 50 MB per request, as PNG, JPEG, WebP or GIF that is not animated:
# https://platform.openai.com/docs/guides/images-vision#image-input-requirements. storage.rules has the same bound.
MAX_IMAGE_BYTES: Final = 20 * 1024 * 1024

_SIGNATURES: Final = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
# The brands of ISO 23008-12, as phones write them.
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"heif", b"mif1", b"msf1"})


def media_type(first_bytes: bytes) -> str:
    """The media type of an image that OpenAI can read.

    Args:
        first_bytes: FIRST_BYTES of it, or all if it has fewer.

    Raises:
        JobRefused: invalid_input for anything else; a phone's HEIC is told apart.
    """
    for signature, found in _SIGNATURES.items():
        if first_bytes.startswith(signature):
            return found
    if first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"WEBP":
        return "image/webp"
    if first_bytes[4:8] == b"ftyp" and first_bytes[8:12] in _HEIC:
        raise JobRefused(
            "invalid_input", "The image is in the HEIC format, which the AI cannot read; upload it as JPEG or PNG."
        )
    raise JobRefused("invalid_input", "The file is not an image that the AI can read; upload a JPEG, PNG, WebP or GIF.")


def check_size(size_bytes: int) -> None:
    """Raise JobRefused(invalid_input) for a file that is empty, or too large for the provider."""
    if size_bytes == 0:
        raise JobRefused("invalid_input", "The image is empty; upload it again.")
    if size_bytes > MAX_IMAGE_BYTES:
        raise JobRefused("invalid_input", f"The image is larger than {MAX_IMAGE_BYTES >> 20} MB; upload a smaller one.")
