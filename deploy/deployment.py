"""One deployment: all that a step needs to know what is declared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deploy.cloud import Cloud
from nightshift.functions import FUNCTIONS, WEBHOOK_SECRET, Function
from nightshift.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is to be deployed, and where."""

    cloud: Cloud
    # The repository.
    root: Path
    # As the functions will read them, and as they are handed over.
    settings: Settings
    variables: Mapping[str, str]
    secrets: Mapping[str, SecretStr] = field(repr=False)
    # Who is told of alerts.
    email: str | None

    async def version(self, secret: str) -> tuple[int, bool]:
        """The secret's version that the functions get, and whether it is there; 0 for one that nobody has given.

        A value that is given and not there yet gets the next number.
        """
        found = await self.cloud.look("secrets", "versions", "list", secret) or []
        enabled = {_number(version): version for version in found if version["state"] == "ENABLED"}
        newest = max(enabled, default=0)
        given = self.secrets.get(secret)
        if given is None:
            return newest, newest > 0
        if newest:
            kept = await self.cloud.read("secrets", "versions", "access", str(newest), f"--secret={secret}")
            # Byte for byte: a line end too many is a reason for a new version.
            if kept == given.get_secret_value():
                return newest, True
        return max(map(_number, found), default=0) + 1, False

    async def functions(self) -> list[Function]:
        """The functions that can be deployed: without its secret, the webhook's would not start."""
        version, _ = await self.version(WEBHOOK_SECRET)
        has_webhook = version or self.cloud.blind_because
        return [function for function in FUNCTIONS if has_webhook or WEBHOOK_SECRET not in function.secrets]

    async def live_functions(self) -> dict[str, dict[str, Any]]:
        """The functions that are deployed, by their names, as Cloud Functions describes them."""
        listed = await self.cloud.look("functions", "list", "--v2", f"--regions={self.cloud.region}") or []
        return {live["name"].rpartition("/")[2]: live for live in listed}


def _number(version: Mapping[str, Any]) -> int:
    return int(version["name"].rpartition("/")[2])
