"""Text that others wrote, as it is stored and shown: without what no person can see and a screen obeys.

Removed are control characters, those that turn the direction of writing, invisible ones that carry hidden words, and
halves of characters. Kept are lines and tabs, and the joiners with which Persian, the scripts of India and emoji are
spelt. So are the flags that are spelt with tags. A program that shows text from right to left orders it by its letters.
"""

import re
from typing import Any, Final

# They join the letters, or the pictures, on both their sides.
JOINERS: Final = "\u200c\u200d"
_LINE_ENDS: Final = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_UNSEEN: Final = re.compile(
    # A flag of a region: a black flag, letters as tags, and their end.
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f)"
    # The first of several joiners.
    "|([\u200c\u200d])[\u200c\u200d]+"
    # Controls, but for tab and line end.
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f"
    # Marks, embeddings, overrides and isolates of direction.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # Other invisible format characters: https://www.unicode.org/reports/tr44/#General_Category_Values, Cf.
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    # Halves of characters, and what is no character.
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def cleaned(text: str) -> str:
    """The text without them; its lines end as `\\n`."""
    if text.isascii() and text.isprintable():
        # Nothing can be there to remove. Most texts are such, and this takes a tenth of the time.
        return text
    return _UNSEEN.sub(lambda found: found[1] or found[2] or "", _LINE_ENDS.sub("\n", text))


def all_cleaned(value: Any) -> Any:
    """The same of all texts and keys in a JSON value."""
    match value:
        case str():
            return cleaned(value)
        case list():
            return [all_cleaned(each) for each in value]
        case dict():
            return {cleaned(key): all_cleaned(each) for key, each in value.items()}
        case _:
            return value
