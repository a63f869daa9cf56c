"""The texts of messages, by language. English is complete; a language with gaps falls back on it, text by text.

A new language is one more table here, and its code in firestore.rules.
"""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "several": "{count} requests have ended",
        "several_text": "Here is what came of them.",
        "more": "and {count} more, which the app shows",
        "open": "Open the app",
        "why": "You get this message because you asked for it in the app's settings.",
        "unsubscribe": "Send me no more e-mail",
    },
}
DEFAULT: Final = "en"


def text(language: str, name: str, **values: object) -> str:
    """A text in a language, as `en` or `en-GB`; else in English. Raises KeyError for an unknown name."""
    for table in (language, language.partition("-")[0], DEFAULT):
        found = TEXTS.get(table, {}).get(name)
        if found is not None:
            return found.format(**values)
    raise KeyError(name)
