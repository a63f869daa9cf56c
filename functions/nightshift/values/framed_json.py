"""What a model writes around its answer: a fence, a sentence, blanks, a brace too many.

The answer was paid for, and is whole; so what surrounds one complete JSON object is looked past. Nothing is mended, in
the object or at its ends, and of two objects that differ none is chosen.
"""

import json
import re
from typing import Final

# An answer is at most 100,000 bytes; what is several times as long is no answer in a frame.
_MOST_CHARACTERS: Final = 400_000
# Each try reads to the end of a value, so their number bounds the time.
_MOST_TRIES: Final = 8
# Where an object begins, or a list of something; a brace or a bracket before anything else is a stray one.
_BEGINNING: Final = re.compile(r'\{(?=[ \t\r\n]*["}])|\[(?=[ \t\r\n]*[\[{"\]])')
_DECODER: Final = json.JSONDecoder()


def framed_object(content: str) -> str | None:
    """The text of the one JSON object in a content that is no JSON itself; None unless there is exactly one."""
    if len(content) > _MOST_CHARACTERS:
        return None
    found = value = None
    start = 0
    for _ in range(_MOST_TRIES):
        beginning = _BEGINNING.search(content, start)
        if beginning is None:
            return found
        start = beginning.start()
        try:
            another, end = _DECODER.raw_decode(content, start)
        except (ValueError, RecursionError):
            # Before the answer it may be the answer itself, broken, and what stands in it is no answer.
            if found is None:
                return None
            start += 1
            continue
        # As text, since true is not 1.
        another = json.dumps(another, sort_keys=True)
        if content[start] != "{" or value not in {None, another}:
            return None
        found, value, start = content[start:end], another, end
    return None
