"""WebP: RFC 9649. Its first bytes say how long it is, so its end need not be read."""

from typing import Final

from nightshift.images.formats.portions import MOST_PARTS, Portions, animated, check_pixels, damaged

_FIRST_CHUNK: Final = 12
_ANIMATION: Final = 0x02
_PICTURES: Final = frozenset({b"VP8 ", b"VP8L"})
# Enough of a chunk that lies behind the head: its header, and that of a picture.
_OF_A_CHUNK: Final = 32


def is_webp(first_bytes: bytes) -> bool:
    """Whether a file begins as one."""
    return first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"WEBP"


def second_range(head: bytes, size_bytes: int) -> range:
    """The beginning of the first chunk behind the head: of the picture, if something large precedes it."""
    start = _FIRST_CHUNK
    while start + _OF_A_CHUNK <= len(head):
        if head[start : start + 4] in _PICTURES:
            return range(0)
        start = _next(start, head[start : start + 8])
    return range(start, min(start + _OF_A_CHUNK, size_bytes))


def check(file: Portions) -> None:
    """Walk the chunks up to the picture. Raises JobRefused."""
    end = 8 + int.from_bytes(file.at(4, 4), "little")
    if end > file.size_bytes:
        raise damaged()
    start = _FIRST_CHUNK
    for _ in range(MOST_PARTS):
        beginning = file.at(start, 8)
        kind, behind = beginning[:4], _next(start, beginning)
        # The last byte of padding may be missing.
        if behind > end + 1:
            raise damaged()
        match kind:
            case b"VP8X":
                fields = file.at(start + 8, 10)
                check_pixels(1 + int.from_bytes(fields[4:7], "little"), 1 + int.from_bytes(fields[7:10], "little"))
                if fields[0] & _ANIMATION:
                    raise animated()
            case b"ANIM" | b"ANMF":
                raise animated()
            case b"VP8 ":
                return check_pixels(*_lossy(file.at(start + 8, 10), behind - start - 8))
            case b"VP8L":
                return check_pixels(*_lossless(file.at(start + 8, 5)))
            case _:
                pass
        start = behind
    raise damaged()


def _next(start: int, beginning: bytes) -> int:
    """Where the next chunk begins; all have an even length."""
    length = int.from_bytes(beginning[4:8], "little")
    return start + 8 + length + length % 2


def _lossy(fields: bytes, length: int) -> tuple[int, int]:
    """RFC 6386, 9.1: a key frame's tag, which holds the length of its first part, its start code, its size."""
    tag = int.from_bytes(fields[:3], "little")
    if tag & 1 or tag >> 5 > length or fields[3:6] != b"\x9d\x01\x2a":
        raise damaged()
    return int.from_bytes(fields[6:8], "little") & 0x3FFF, int.from_bytes(fields[8:10], "little") & 0x3FFF


def _lossless(fields: bytes) -> tuple[int, int]:
    bits = int.from_bytes(fields[1:5], "little")
    if fields[0] != 0x2F or bits >> 29:
        raise damaged()
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
