"""How many input tokens a request is expected to take, before the provider has counted them.

The limit of enqueued tokens and the day's budget rest on it. No tokenizer is asked: they differ from model to model,
and are large. Text is estimated by its scripts, an image by the model's family.

Tokens a character, as OpenAI's `o200k_base` gives them, rounded up: an English text 0.21, German 0.25, Vietnamese 0.33,
Russian 0.3, Greek, Arabic and Hebrew 0.38; Hindi and Tamil 0.36, Thai 0.45, Korean 0.53, Burmese 0.57; Japanese 0.7,
Chinese 0.85, Amharic 1.8, an emoji 1.8.

An image's size is not known here: it is taken for a photo in a phone's proportions, larger than what the provider
scales it to. https://platform.openai.com/docs/guides/images-vision#calculating-costs
"""

import json
import re
from bisect import bisect_right
from collections import Counter
from math import ceil
from typing import Final

from nightshift.providers.request import Request
from nightshift.values.usage import Usage

# From which code point on a character takes how many tokens.
_FROM: Final = (
    (0x0000, 0.25),  # ASCII
    (0x0080, 0.5),  # accented Latin letters
    (0x0370, 0.4),  # Greek, Cyrillic, Armenian, Hebrew, Arabic, and the scripts of India, Thai
    (0x0E80, 1.0),
    (0x1000, 0.6),  # Burmese
    (0x10A0, 0.4),  # Georgian
    (0x1100, 0.6),  # Hangul's letters
    (0x1200, 1.9),  # Ethiopic
    (0x13A0, 1.0),
    (0x1E00, 0.5),  # Latin, more accents, and Greek
    (0x2000, 1.0),  # signs, CJK's kana and characters
    (0xAC00, 0.6),  # Hangul
    (0xD7B0, 1.0),
    (0x10000, 2.0),  # emoji, and scripts of the past
)
_STARTS: Final = tuple(start for start, _ in _FROM)

# 4 tiles of 512 x 512 after scaling: a base and so much a tile; or 1,536 patches of 32 x 32, times a factor.
_TILES, _PATCHES = 4, 1_536
# The first that a model's name begins with; the longer names stand before the shorter.
_IMAGE_TOKENS: Final = (
    ("gpt-4o-mini", 2_833 + _TILES * 5_667),
    ("gpt-4.1-mini", ceil(_PATCHES * 1.62)),
    ("gpt-4.1-nano", ceil(_PATCHES * 2.46)),
    ("gpt-5-mini", ceil(_PATCHES * 1.62)),
    ("gpt-5-nano", ceil(_PATCHES * 2.46)),
    ("o4-mini", ceil(_PATCHES * 1.72)),
    ("gpt-5.", ceil(_PATCHES * 1.62)),
    ("gpt-5", 70 + _TILES * 140),
    ("gpt-4", 85 + _TILES * 170),
    ("chatgpt-4o", 85 + _TILES * 170),
    ("o1", 75 + _TILES * 150),
    ("o3", 75 + _TILES * 150),
    # https://docs.anthropic.com/en/docs/build-with-claude/vision: width x height / 750, of 1.2 megapixels.
    ("claude", 1_600),
    # https://ai.google.dev/gemini-api/docs/tokens: 258 a tile of 768 x 768; up to 1,120 for an image since Gemini 3.
    ("gemini", 1_120),
    # https://docs.x.ai/docs/guides/image-understanding: 256 a tile, at most six and one more.
    ("grok", 1_792),
)
# An unknown model, or one of a private server: not too few, since the provider refuses an overfilled lane.
_IMAGE_TOKENS_ELSE: Final = 2_500
# https://ai.google.dev/gemini-api/docs/video-understanding: some 300 a second, of a video of three minutes.
_VIDEO_TOKENS: Final = 54_000
# The words in which a provider puts an answer's schema.
_FRAME_TOKENS: Final = 20
# What an answer is expected to take of the bound that its job type sets, which has to hold for the longest.
_EXPECTED_SHARE_OF_OUTPUT: Final = 0.25
# What stands before the name of a model that was made of another one.
_FINE_TUNED: Final = re.compile(r"^(ft:)?(.*/)?")


def expected_usage(request: Request) -> Usage:
    """The tokens that a request is expected to take: with all that it holds, and with its answer."""
    if request.dimensions:
        return Usage(input_tokens=text_tokens(request.text or ""))
    schema = request.schema_text or json.dumps(request.schema)
    texts = (request.instructions, request.text or "", request.schema_name, schema)
    image = image_tokens(request.model) if request.image else 0
    video = _VIDEO_TOKENS if request.video else 0
    return Usage(
        input_tokens=_FRAME_TOKENS + sum(map(text_tokens, texts)) + image + video,
        output_tokens=int(request.max_output_tokens * _EXPECTED_SHARE_OF_OUTPUT),
    )


def text_tokens(text: str) -> int:
    """The estimated tokens of a text."""
    if text.isascii():
        return ceil(len(text) * _FROM[0][1])
    characters = Counter(text)
    return ceil(sum(_FROM[bisect_right(_STARTS, ord(each)) - 1][1] * number for each, number in characters.items()))


def image_tokens(model: str) -> int:
    """The estimated tokens of one image, by the model that looks at it."""
    name = _FINE_TUNED.sub("", model)
    return next((tokens for family, tokens in _IMAGE_TOKENS if name.startswith(family)), _IMAGE_TOKENS_ELSE)
