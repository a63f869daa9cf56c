"""The links to result files and to places for uploads: for one object, one method, and a quarter of an hour."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from google.cloud import storage

from nightshift.signed_links import LINK_LIFETIME, signed_link
from tests.images.test_signing import Recorder
from tests.support.storage_reader import string_to_sign
from tests.support.world import World


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_link_is_signed_for_one_object_one_method_and_with_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """By Google's own library, as a deployed function has it; what it signed is read by the published algorithm."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    recorder = Recorder()
    client = storage.Client(project=world.project, credentials=recorder)
    blob = client.bucket("results").blob("bulk/abc/results.zip")

    link = await signed_link(world.operators_runtime(storage_emulator=None), blob, method)  # type: ignore[arg-type]

    asked = urlsplit(link)
    parameters = dict(parse_qsl(asked.query))
    assert (asked.scheme, asked.path) == ("https", "/results/bulk/abc/results.zip")
    assert int(parameters["X-Goog-Expires"]) == LINK_LIFETIME.total_seconds() == 900
    assert recorder.signed == string_to_sign(method, asked.path, parameters, {"host": asked.netloc})
    other = {"GET": "PUT", "PUT": "GET"}[method]
    assert recorder.signed != string_to_sign(other, asked.path, parameters, {"host": asked.netloc})
