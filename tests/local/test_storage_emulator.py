"""Cloud Storage's emulator: a write costs the same, however many objects there are."""

import json

import pytest

from local.storage_emulator import ForgetfulStorage


def test_a_write_encodes_nothing_but_its_own_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a thousand objects, too: no metadata is copied, and each object is found."""
    storage = ForgetfulStorage()
    storage.create_bucket("bucket", {"name": "bucket"})
    for number in range(1_000):
        storage.create_file("bucket", f"{number}", b"content", {"name": f"{number}"})
    monkeypatch.setattr(json, "dumps", lambda *_args, **_options: pytest.fail("metadata was encoded"))

    storage.create_file("bucket", "last", b"last", {"name": "last"})
    storage.delete_file("bucket", "0")

    assert storage.get_file("bucket", "last") == b"last"
    assert storage.get_file_obj("bucket", "999") == {"name": "999"}
    assert len(storage.objects["bucket"]) == 1_000
