"""The dashboard's libraries are what npm's packages hold, and nothing else lies beside them."""

from local.vendor import VENDOR, vendored


def test_the_vendored_libraries_are_those_of_the_lock() -> None:
    """Made anew from the installed packages, whose digests the lock file has, each file is the same."""
    there = {path.name: path.read_text() for path in VENDOR.iterdir()}

    assert there == vendored()
    assert not [name for name, text in there.items() if name.endswith(".js") and "gstatic.com/firebasejs" in text]
