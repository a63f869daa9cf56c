"""The README's examples, read from the README itself, so that what is printed and tested is what is written there."""

import re

from local.part import ROOT


def example(language: str) -> str:
    """The first fenced block of a language. Raises LookupError if the README has none."""
    found = re.search(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"the README has no {language} example")
    return found[1]
