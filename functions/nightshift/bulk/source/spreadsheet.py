"""Texts that a spreadsheet would run as a formula: escaped in the files that we write, and restored when they return.

A leading apostrophe makes a text of such a cell (https://owasp.org/www-community/attacks/CSV_Injection). A text that
has such apostrophes already gets one more, so what was escaped can always be restored.
"""

import re
from typing import Final

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n]")
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r\n]")
_FIRST: Final = frozenset("'=+-@\t\r\n")


def escaped(text: str) -> str:
    """The text as a spreadsheet shows it and never runs it."""
    return f"'{text}" if text[:1] in _FIRST and _FORMULA.match(text) else text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return text[1:] if text[:1] == "'" and _ESCAPED.match(text) else text
