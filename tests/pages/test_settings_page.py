"""docs/SETTINGS.md: its table holds the settings that there are, with their defaults, and none besides."""

import re

import pytest

from local.part import ROOT
from nightshift.settings import Settings

PAGE = (ROOT / "docs" / "SETTINGS.md").read_text()
_NO_DEFAULT = {"none", "OpenAI's"}


def _rows() -> dict[str, str]:
    """The default of each variable, as the table has it."""
    rows: dict[str, str] = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            names, default, _ = re.split(r" ?\| ?", line.strip("|").strip(), maxsplit=2)
            variables = re.findall(r"`([A-Z_]+)`", names)
            defaults = [part.strip().strip("`") for part in default.split(",")]
            rows |= dict(zip(variables, defaults * (len(variables) if len(defaults) == 1 else 1), strict=True))
    return rows


def _settings() -> dict[str, object]:
    """The default of each setting of our own, by its variable; a bucket's follows from the project."""
    own = {
        f"NIGHTSHIFT_{name.upper()}": field
        for name, field in Settings.model_fields.items()
        if not field.validation_alias
    }
    return {name: field.default for name, field in own.items()}


def test_the_table_has_every_setting_and_no_other() -> None:
    """An engineer who adds a setting adds its row."""
    own = {name for name in _rows() if name.startswith("NIGHTSHIFT_")}
    assert own == set(_settings())


@pytest.mark.parametrize("name", [name for name in _settings() if not name.endswith("BUCKET")])
def test_a_default_is_the_codes(name: str) -> None:
    """As it is written in a `.env` file."""
    told, default = _rows()[name], _settings()[name]
    if default is None:
        assert told in _NO_DEFAULT
    elif isinstance(default, bool):
        assert told == str(default).lower()
    elif isinstance(default, int | float):
        assert float(told) == default
    else:
        assert told == default
