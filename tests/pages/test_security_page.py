"""The threat table of SECURITY.md: what it names is there."""

import re

from local.part import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("|")]
NAMED = re.compile(r"`([^`]+)`")


def test_every_test_and_file_of_the_threat_table_exists() -> None:
    """A control that lost its test, or moved, is noticed here."""
    written = {
        name
        for path in (ROOT / "tests").glob("**/test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    tests = {name for row in ROWS for name in NAMED.findall(row[3])}
    files = {name for row in ROWS for name in NAMED.findall(row[2])}

    assert len(tests) > 30
    assert tests <= written
    assert not [name for name in files if not (ROOT / name).is_file()]


def test_a_threat_has_a_control_and_with_its_file_a_test() -> None:
    """A new row needs both; a control without a file says plainly what is missing."""
    threats = [row for row in ROWS[2:] if not row[0].strip().startswith("**")]

    assert len(threats) > 25
    assert not [row[0] for row in threats if not row[1].strip() or bool(row[2].strip()) != bool(row[3].strip())]


def test_both_of_owasps_lists_are_answered_row_by_row() -> None:
    """Ten risks of APIs (2023) and ten of applications with language models (2025), each once."""
    risks = [found.group(1) for row in ROWS if (found := re.match(r" ((?:API|LLM)\d+) ", row[0]))]

    assert risks == [f"API{number}" for number in range(1, 11)] + [f"LLM{number:02}" for number in range(1, 11)]
