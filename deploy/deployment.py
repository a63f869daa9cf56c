"""One deployment: all that a step needs to know what is declared."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from deploy.choices import Choices
from deploy.cloud import Cloud
from nightshift.functions import FUNCTIONS, WEBHOOK_SECRET, Function
from nightshift.settings import Settings

# gcloud writes True, other programs true.
_CHECKS_NO_CALLERS: Final = "run.googleapis.com/invoker-iam-disabled"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a deployment looks at of a Cloud Run service."""

    # It checks no callers, whatever its policy says.
    is_open: bool
    # All its traffic goes to the revision that was deployed last.
    serves_latest: bool


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
    # To whom alerts are sent.
    email: str | None
    # What the project's settings say about the deployment itself.
    choices: Choices = field(default_factory=Choices)

    async def version(self, secret: str) -> tuple[int, bool]:
        """The secret's version that the functions get, and whether it is there; 0 for one without a value.

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
        """The functions that can be deployed, as large as this project has them.

        Without its secret, the webhook's would not start.
        """
        version, _ = await self.version(WEBHOOK_SECRET)
        has_webhook = version or self.cloud.blind_because
        return [
            replace(function, max_instances=self.choices.max_instances.get(function.name, function.max_instances))
            for function in FUNCTIONS
            if has_webhook or WEBHOOK_SECRET not in function.secrets
        ]

    async def live_functions(self) -> dict[str, dict[str, Any]]:
        """The functions that are deployed, by their names, as Cloud Functions describes them."""
        listed = await self.cloud.look("functions", "list", "--v2", f"--regions={self.cloud.region}") or []
        return {live["name"].rpartition("/")[2]: live for live in listed}

    async def live_services(self) -> dict[str, Service]:
        """The Cloud Run services of the region, by their names; each function has one."""
        listed = await self.cloud.look("run", "services", "list", f"--region={self.cloud.region}") or []
        return {live["metadata"]["name"]: _service(live) for live in listed}

    async def accounts(self) -> set[str]:
        """The addresses of the project's service accounts."""
        return {account["email"] for account in await self.cloud.look("iam", "service-accounts", "list") or []}

    async def secret_names(self) -> set[str]:
        """The secrets that there are in Secret Manager."""
        return {secret["name"].rpartition("/")[2] for secret in await self.cloud.look("secrets", "list") or []}

    async def buckets(self) -> dict[str, dict[str, Any]]:
        """The project's buckets by their names, as Cloud Storage describes them."""
        listed = await self.cloud.look("storage", "buckets", "list", "--raw") or []
        return {bucket["name"]: bucket for bucket in listed}


def _service(live: Mapping[str, Any]) -> Service:
    traffic = live.get("spec", {}).get("traffic", [])
    return Service(
        is_open=live["metadata"].get("annotations", {}).get(_CHECKS_NO_CALLERS, "").lower() == "true",
        serves_latest=all(part.get("latestRevision") for part in traffic if part.get("percent")),
    )


def _number(version: Mapping[str, Any]) -> int:
    return int(version["name"].rpartition("/")[2])
