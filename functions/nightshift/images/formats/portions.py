"""A file of which only a few portions were read: its beginning, and one further stretch."""

from dataclasses import dataclass
from typing import Final

from nightshift.errors import JobRefused
from nightshift.values.texts import Text

# What a phone writes before the picture fits: Exif and XMP of at most 64 kB each, a colour profile, an index.
HEAD_BYTES: Final = 128 * 1024
# What phones and tools append to a picture, other than a film, is shorter.
TAIL_BYTES: Final = 64 * 1024
# No honest file has as many parts in its head, and a hostile one must not keep the processor busy.
MOST_PARTS: Final = 10_000
# OpenAI names no bound in pixels, and makes every picture smaller. Of common decoders, Pillow stops at 179 million; the
# largest photos that phones take by default have 108 million, the widest panoramas 16,382 in a row.
MAX_PIXELS: Final = 120_000_000
MAX_SIDE: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Portions:
    """`head` are the first bytes of `size_bytes`; `rest` begins at `rest_start`, and may be empty."""

    size_bytes: int
    head: bytes
    rest: bytes = b""
    rest_start: int = 0

    def at(self, start: int, length: int) -> bytes:
        """These bytes. Raises JobRefused if the file ends before them, or if they were not read."""
        end = start + length
        if end > self.size_bytes:
            raise damaged()
        if end <= len(self.head):
            return self.head[start:end]
        if self.rest_start <= start and end <= self.rest_start + len(self.rest):
            return self.rest[start - self.rest_start : end - self.rest_start]
        raise JobRefused(
            "invalid_input",
            Text.PHOTO_CROWDED.say(),
            f"more than {HEAD_BYTES >> 10} kB of other data come before the picture",
        )

    def holds(self, mark: bytes, *, start: int, end: int) -> bool:
        """Whether the portions that were read hold a mark between these two offsets."""
        in_rest = max(0, start - self.rest_start), max(0, end - self.rest_start)
        return self.head.find(mark, start, end) >= 0 or self.rest.find(mark, *in_rest) >= 0


def tail(head: bytes, end: int) -> range:
    """The last bytes before the offset `end` that are not in the head."""
    return range(max(len(head), end - TAIL_BYTES), max(len(head), end))


def damaged() -> JobRefused:
    """The refusal of a file that ends too early, or is not what it began as."""
    return JobRefused("invalid_input", Text.PHOTO_DAMAGED.say())


def animated() -> JobRefused:
    """The refusal of a file that holds a sequence of pictures."""
    return JobRefused("invalid_input", Text.PHOTO_ANIMATED.say())


def check_pixels(width: int, height: int) -> None:
    """Raise JobRefused for a picture without pixels, or with too many to be decoded."""
    if not width or not height:
        raise damaged()
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise JobRefused(
            "invalid_input",
            Text.PHOTO_PIXELS.say(width=width, height=height, side=MAX_SIDE, millions=MAX_PIXELS // 1_000_000),
        )
