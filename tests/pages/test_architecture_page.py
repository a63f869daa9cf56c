"""docs/ARCHITECTURE.md: each file that it names is there."""

import re

from local.part import ROOT

PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()


def test_every_file_that_the_page_names_is_there() -> None:
    """A step that was renamed has to reach its row and the walk of one job."""
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", PAGE))
    places = (ROOT, ROOT / "functions", ROOT / "functions" / "nightshift")

    assert len(named) > 20
    assert not [name for name in named if not any((place / name).exists() for place in places)]
    linked = set(re.findall(r"\]\(\.\./([^)#]+)\)", PAGE))
    assert linked
    assert not [name for name in linked if not (ROOT / name).exists()]
