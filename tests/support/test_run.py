"""What each process of a test run costs before its first test."""

import pytest

from local.part import ROOT


def test_no_process_loads_a_plugin_that_no_test_needs(pytestconfig: pytest.Config) -> None:
    """Schemathesis comes with one, which takes two seconds to load; its tests use it as a library."""
    assert not pytestconfig.pluginmanager.has_plugin("schemathesis")
    assert pytestconfig.pluginmanager.is_blocked("schemathesis")


def test_make_lets_python_keep_what_it_compiled() -> None:
    """Else each worker, and each function of a stack, compiles all our modules anew."""
    assert "\nunexport PYTHONDONTWRITEBYTECODE\n" in (ROOT / "Makefile").read_text()
