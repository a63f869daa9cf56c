"""GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt.

Nothing at its beginning says whether a second picture follows the first, so a GIF is walked from end to end. That is
bounded by its size: a still one of more than 1 MiB is hardly ever met, and is refused.
"""

from typing import Final

from nightshift.errors import JobRefused
from nightshift.images.formats.portions import MOST_PARTS, Portions, animated, check_pixels, damaged
from nightshift.values.texts import Text

SIGNATURES: Final = (b"GIF87a", b"GIF89a")
MAX_GIF_BYTES: Final = 1024 * 1024
_EXTENSION, _PICTURE, _TRAILER, _PADDING = 0x21, 0x2C, 0x3B, 0x00
# The sizes of a code that a picture's data may begin with.
_CODE_SIZES: Final = range(1, 12)


def second_range(head: bytes, size_bytes: int) -> range:
    """All the rest. Raises JobRefused if that is too much."""
    if size_bytes > MAX_GIF_BYTES:
        raise JobRefused("invalid_input", Text.GIF_TOO_LARGE.say(megabytes=MAX_GIF_BYTES >> 20))
    return range(len(head), size_bytes)


def check(file: Portions) -> None:
    """Walk all blocks. Raises JobRefused."""
    try:
        _walk(file.head + file.rest)
    except IndexError:
        raise damaged() from None


def _walk(content: bytes) -> None:
    width, height = _two_bytes(content, 6), _two_bytes(content, 8)
    check_pixels(max(1, width), max(1, height))
    start, pictures, parts = 13 + _colours(content[10]), 0, 0
    while (kind := content[start]) != _TRAILER:
        if kind == _EXTENSION:
            start += 2
        elif kind == _PICTURE:
            pictures += 1
            if pictures > 1:
                raise animated()
            check_pixels(_two_bytes(content, start + 5), _two_bytes(content, start + 7))
            start += 10 + _colours(content[start + 9])
            if content[start] not in _CODE_SIZES or not content[start + 1]:
                raise damaged()
            start += 1
        elif kind != _PADDING:
            raise damaged()
        # The blocks of an extension or a picture, up to an empty one.
        while length := content[start]:
            start, parts = start + 1 + length, parts + 1
            if parts > MOST_PARTS:
                raise damaged()
        start, parts = start + 1, parts + 1
        if parts > MOST_PARTS:
            raise damaged()
    if not pictures:
        raise damaged()


def _two_bytes(content: bytes, start: int) -> int:
    return content[start] | content[start + 1] << 8


def _colours(flags: int) -> int:
    """The length of the table of colours that these flags announce."""
    return 3 << ((flags & 0x07) + 1) if flags & 0x80 else 0
