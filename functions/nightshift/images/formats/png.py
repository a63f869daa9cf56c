"""PNG and its animated sister APNG: https://www.w3.org/TR/png-3."""

import zlib
from typing import Final

from nightshift.images.formats.portions import MOST_PARTS, Portions, animated, check_pixels, damaged, tail

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = b"\x00\x00\x00\x0dIHDR"
_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"
# The bit depths of each colour type.
_DEPTHS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
# Length, type and check sum of a chunk.
_AROUND: Final = 12


def second_range(head: bytes, size_bytes: int) -> range:
    """Where the end has to be: a little may follow it."""
    return tail(head, size_bytes)


def check(file: Portions) -> None:
    """Walk the chunks up to the picture's data, and look for the end. Raises JobRefused."""
    header = file.at(len(SIGNATURE), 13 + _AROUND)
    if not header.startswith(_HEADER):
        raise damaged()
    check_pixels(int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big"))
    depth, colour, compression, filtering, interlace = header[16:21]
    is_valid = depth in _DEPTHS.get(colour, ()) and not compression and not filtering and interlace <= 1
    if not is_valid or zlib.crc32(header[4:-4]).to_bytes(4, "big") != header[-4:]:
        raise damaged()
    start = len(SIGNATURE) + len(header)
    for _ in range(MOST_PARTS):
        beginning = file.at(start, 8)
        kind = beginning[4:]
        if kind == b"acTL" and int.from_bytes(file.at(start + 8, 4), "big") > 1:
            raise animated()
        start += int.from_bytes(beginning[:4], "big") + _AROUND
        if kind in {b"IDAT", b"IEND"}:
            break
    if kind != b"IDAT" or not file.holds(_END, start=start, end=file.size_bytes):
        raise damaged()
