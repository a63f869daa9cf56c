"""No test replaces a constant: what a test makes small is an argument, a setting or a bound of the instance."""

import re

import pytest

from local.part import ROOT

# A constant of a module, replaced by name. What a test itself declares, it may change.
_REPLACED = re.compile(r'setattr\(\s*(?!neighbours\b)[\w.]+,\s*"_?[A-Z][A-Z0-9_]+"')


def test_no_test_replaces_a_constant_of_a_module() -> None:
    """A name that is private to a file may change without any test."""
    paths = sorted((ROOT / "tests").rglob("*.py"))

    assert len(paths) > 100
    replacing = {path.name for path in paths if "node_modules" not in path.parts and _REPLACED.search(path.read_text())}
    assert not replacing


@pytest.mark.parametrize(("line", "is_found"), [("(assemble, '_PAGE', 2)", True), ("(Commit, 'send', losing)", False)])
def test_a_replaced_constant_is_found_and_a_replaced_call_is_not(line: str, is_found: bool) -> None:
    """A search that finds nothing would let every test pass."""
    assert bool(_REPLACED.search(f"monkeypatch.setattr{line}".replace("'", '"'))) == is_found
