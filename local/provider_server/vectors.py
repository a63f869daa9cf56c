"""A text's vector that no model made. Texts that share words lie near each other.

Each word has a direction of its own, which follows from a hash; a text's vector is the sum of its words' directions,
of length 1. So a search by nearness finds what it should in a demo or a test.
"""

import hashlib
import math
import random
import re
from functools import lru_cache


def vector_of(text: str, dimensions: int) -> list[float]:
    """The vector of a text, of so many numbers."""
    words = re.findall(r"\w+", text.lower()) or [text]
    summed = [math.fsum(parts) for parts in zip(*(_direction(word, dimensions) for word in words), strict=True)]
    length = math.sqrt(math.fsum(part * part for part in summed)) or 1.0
    return [round(part / length, 8) for part in summed]


@lru_cache(maxsize=1_000)
def _direction(word: str, dimensions: int) -> tuple[float, ...]:
    seed = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
    chance = random.Random(seed)  # noqa: S311 - a stand-in for a model is no secret
    return tuple(chance.gauss(0, 1) for _ in range(dimensions))
