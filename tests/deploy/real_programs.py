"""The real gcloud and the real Firebase CLI, which find Google's APIs on this computer."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from deploy.command import ShellCommand
from deploy.shell import CommandEnd, Processes
from local.part import ROOT
from tests.deploy.google_apis import PROJECT, GoogleApis

GCLOUD: Final = shutil.which("gcloud")
# As gcloud names them: https://cloud.google.com/sdk/gcloud/reference/config/set#api_endpoint_overrides
_APIS: Final = (
    *(
        "artifactregistry",
        "billingbudgets",
        "cloudbilling",
        "cloudfunctions",
        "cloudquotas",
        "cloudresourcemanager",
        "eventarc",
        "firestore",
        "iam",
    ),
    *("logging", "monitoring", "orgpolicy", "pubsub", "run", "secretmanager", "serviceusage", "storage"),
)
_FIREBASE: Final = {
    "FIREBASE_RULES_URL": "firebaserules",
    "FIRESTORE_URL": "firestore",
    "FIREBASE_FIREBASESTORAGE_URL": "firebasestorage",
    "FIREBASE_SERVICE_USAGE_URL": "serviceusage",
    "FIREBASE_RESOURCEMANAGER_URL": "cloudresourcemanager",
    "FIREBASE_API_URL": "firebase",
    "FIREBASE_HOSTING_API_URL": "firebasehosting",
    "FIREBASE_FUNCTIONS_V2_URL": "cloudfunctions",
    "FIREBASE_FUNCTIONS_URL": "cloudfunctions",
}


def environment(address: str, folder: Path) -> dict[str, str]:
    """By which the programs find the APIs at this address, and nothing of the person who runs the tests."""
    token = folder / "token"
    token.write_text("a-token")
    gcloud = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.googleapis.com/" for api in _APIS}
    firebase = {variable: f"http://{api}.googleapis.com" for variable, api in _FIREBASE.items()}
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **gcloud,
        **firebase,
        "HOME": str(folder),
        "http_proxy": f"http://{address}",
        "no_proxy": "127.0.0.1",
        "CLOUDSDK_CONFIG": str(folder),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        # The Firebase CLI's credentials: it asks the metadata server, as on a machine of Google's.
        "GCE_METADATA_HOST": f"{address}",
        "METADATA_SERVER_DETECTION": "assume-present",
        "CI": "1",
        "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
    }


class Programs:
    """Runs commands: gcloud's in one process of its own, the Firebase CLI's each in another."""

    def __init__(
        self, google: GoogleApis, root: Path, environment: dict[str, str], runner: asyncio.subprocess.Process
    ) -> None:
        self.commands: list[ShellCommand] = []
        self._google = google
        self._others = Processes(root, PROJECT, environment)
        self._runner = runner

    async def run(self, command: ShellCommand) -> CommandEnd:
        """Run it to its end."""
        self.commands.append(command)
        match command.arguments[0]:
            case "gcloud":
                return await self._gcloud(command)
            case "npx":
                return await self._others.run(command)
            case _ if "deploy.app_bucket" in command.arguments:
                return await self._others.run(command)
            case _:
                return self._scheduler(command)

    async def _gcloud(self, command: ShellCommand) -> CommandEnd:
        stdin, stdout = self._runner.stdin, self._runner.stdout
        assert stdin and stdout
        given = command.stdin.get_secret_value() if command.stdin else ""
        stdin.write(json.dumps({"arguments": command.arguments[1:], "stdin": given}).encode() + b"\n")
        await stdin.drain()
        return CommandEnd(**json.loads(await stdout.readline()))

    def _scheduler(self, command: ShellCommand) -> CommandEnd:
        """`scheduler/` has tests of its own, against Cloud Scheduler's API and Pub/Sub; here it makes the topics."""
        topics = (
            "nightshift-bulk",
            "nightshift-dead-letters",
            "nightshift-ingest",
            "nightshift-instant",
            "nightshift-tick",
        )
        paths = [f"pubsub/projects/P/topics/{topic}" for topic in topics]
        action = "same" if set(paths) <= self._google.state.keys() else "create"
        if "--plan" not in command.arguments:
            for path in paths:
                self._google.state.setdefault(path, {"name": path.replace("pubsub/projects/P", f"projects/{PROJECT}")})
        said = json.dumps({"step": {"action": action, "kind": "topic", "name": topics[0]}})
        return CommandEnd(exit_code=0, stdout=said + "\n", stderr="")


@asynccontextmanager
async def running(google: GoogleApis, root: Path, address: str, folder: Path) -> AsyncIterator[Programs]:
    """The programs, for a checkout in `root`; `folder` is their home."""
    variables = environment(address, folder)
    python, library = _sdk()
    runner = await asyncio.create_subprocess_exec(
        *(python, Path(__file__).with_name("gcloud_runner.py"), library),
        env={**variables, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API": "false"},
        cwd=root,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64_000_000,
    )
    try:
        yield Programs(google, root, variables, runner)
    finally:
        if runner.returncode is None:
            runner.kill()
        await runner.wait()


def _sdk() -> tuple[Path, Path]:
    """The Cloud SDK's own Python, where it has one, and its library."""
    sdk = Path(str(GCLOUD)).resolve().parents[1]
    bundled = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    return bundled if bundled.exists() else Path(sys.executable), sdk / "lib"
