"""JSON without blanks, in ASCII. The encoder is built once; `json.dumps` builds one for each call with options."""

import json
from typing import Final

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def compact_json(value: object) -> bytes:
    """The value in JSON; a half of a character stays one, escaped."""
    return _ENCODER.encode(value).encode("ascii")
