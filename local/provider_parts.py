"""The providers' servers as parts of the stack."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.answering import Answering
from local.environment import basic_environment
from local.lanes import LocalLane
from local.part import Part, ProcessPart
from local.provider_server.pace import Pace

_UPSTREAM_KEY = "UPSTREAM_API_KEY"


@dataclass(frozen=True, kw_only=True)
class ProviderParts:
    """What all of them share."""

    pace: Pace
    caller: Mapping[str, str]
    log_dir: Path

    def openai(self, address: str, answering: Answering, webhook_url: str | None, webhook_secret: str) -> Part:
        """Start OpenAI's. A webhook gets an event for every batch that has ended."""
        more, environment = [], {}
        if answering.upstream:
            more += ["--upstream", answering.upstream, "--upstream-key-env", _UPSTREAM_KEY]
            more += ["--upstream-concurrency", str(answering.upstream_concurrency)]
            environment = {_UPSTREAM_KEY: answering.upstream_key}
        if webhook_url:
            more += ["--webhook-url", webhook_url, "--webhook-secret", webhook_secret]
        return self._part("OpenAI's API", "local.openai_server", address, answering.api_key, more, environment)

    def lane(self, lane: LocalLane, address: str) -> Part:
        """Start the server of a lane."""
        return self._part(lane.name, lane.package, address, lane.api_key, [], {})

    def _part(
        self,
        name: str,
        package: str,
        address: str,
        api_key: str,
        more: list[str],
        environment: Mapping[str, str],
    ) -> Part:
        host, port = address.split(":")
        pace = {
            "--validating": self.pace.validating_seconds,
            "--in-progress": self.pace.in_progress_seconds,
            "--finalizing": self.pace.finalizing_seconds,
            "--answer": self.pace.answer_seconds,
        }
        return ProcessPart(
            name=name,
            address=address,
            command=[
                *(sys.executable, "-m", package, "--host", host, "--port", port, "--api-key", api_key),
                *(part for option, seconds in pace.items() for part in (option, str(seconds))),
                *more,
            ],
            environment={**basic_environment(self.caller), **environment},
            log_dir=self.log_dir,
        )
