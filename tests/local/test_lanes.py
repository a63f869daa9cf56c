"""The local stack's lanes beside OpenAI's: each server as a process of its own."""

import asyncio
import re
import signal
import sys

import httpx
import pytest

from local.lanes import LOCAL_LANES, LocalLane, models_setting
from local.part import ROOT
from nightshift import job_types
from nightshift.values.models_by_type import parse_models
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import clean_environment

_PATHS = {"anthropic": "/v1/messages/batches", "gemini": "/v1beta/batches"}
_KEYS = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}


def test_each_lanes_job_type_is_registered() -> None:
    """And the setting that names them is one."""
    assert parse_models(models_setting(LOCAL_LANES)["NIGHTSHIFT_MODELS"]).keys() <= job_types.registered().keys()
    assert models_setting(()) == {}


@pytest.mark.parametrize("lane", LOCAL_LANES, ids=lambda lane: lane.provider)
async def test_a_lanes_server_takes_its_key_and_ends_cleanly(lane: LocalLane) -> None:
    """It says where it is; another key is refused; a signal ends it without a complaint."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", lane.package, "--api-key", lane.api_key),
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout
        said = (await asyncio.wait_for(server.stdout.readline(), PATIENCE_SECONDS)).decode()
        found = re.fullmatch(rf"{lane.provider}-compatible server on (http://\S+) \(answers: stand-in, .+\)\n", said)
        assert found, said
        async with httpx.AsyncClient(base_url=found[1], timeout=PATIENCE_SECONDS, trust_env=False) as client:
            headers = {"anthropic-version": "2023-06-01"}
            listed = await client.get(_PATHS[lane.provider], headers=headers | {_KEYS[lane.provider]: lane.api_key})
            refused = await client.get(_PATHS[lane.provider], headers=headers | {_KEYS[lane.provider]: "another"})
        server.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.wait_for(server.communicate(), PATIENCE_SECONDS)
    finally:
        if server.returncode is None:
            server.kill()
    assert listed.status_code == 200, listed.text
    assert refused.status_code in {400, 401}
    assert (server.returncode, complaints) == (0, b"")
