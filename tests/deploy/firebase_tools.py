"""The Firebase CLI as `make` installs it: the real program, by the lock file that a deployment uses."""

from pathlib import Path
from typing import Final

from deploy.shell import FIREBASE_CLI
from tests.deploy.world import ROOT

_PACKAGE: Final = ROOT / FIREBASE_CLI / "node_modules" / "firebase-tools"


def package() -> Path:
    """The folder of its package. Raises AssertionError where it is not installed."""
    assert _PACKAGE.exists(), "make test installs it: cd deploy/firebase-cli && npm ci --ignore-scripts"
    return _PACKAGE
