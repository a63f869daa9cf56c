"""The Firebase CLI, which alone releases rules, and brings firestore.indexes.json to the database.

It is installed by `npm ci` from `firebase-cli/package-lock.json`, since it deploys what keeps hostile clients out: each
package that it needs has the digest that stands there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.cloud import Cloud
from deploy.command import ShellCommand
from deploy.shell import FIREBASE_CLI

_PROGRAM: Final = ("npx", f"--prefix={FIREBASE_CLI}", "--no", "--", "firebase")


def deploy(cloud: Cloud, *, only: str, uploads_bucket: str) -> ShellCommand:
    """Deploy a part of what this checkout has. It compares first; without --force it removes no index and no policy.

    Args:
        uploads_bucket: to which storage.rules are released. Without a name, the CLI takes the default bucket.
    """
    parts = {
        "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
        "storage": [{"bucket": uploads_bucket, "rules": "storage.rules"}],
    }
    return _deploy(cloud, only, parts)


def deploy_pages(cloud: Cloud, site: str, root: Path) -> ShellCommand:
    """Release the dashboard to a site of Firebase Hosting, as firebase.json has it, with the API of this region."""
    hosting = json.loads((root / "firebase.json").read_text())["hosting"]
    rewrites = [
        {**rewrite, "run": {**rewrite["run"], "region": cloud.region}} if "run" in rewrite else rewrite
        for rewrite in hosting["rewrites"]
    ]
    return _deploy(cloud, "hosting", {"hosting": {**hosting, "site": site, "rewrites": rewrites}})


def _deploy(cloud: Cloud, only: str, parts: Mapping[str, Any]) -> ShellCommand:
    # The CLI looks for the files beside its configuration, so this stands beside firebase.json.
    config = f"firebase.{cloud.project}.json"
    return ShellCommand(
        arguments=(
            *(*_PROGRAM, "deploy", f"--only={only}", f"--config={config}"),
            *(f"--project={cloud.project}", "--non-interactive"),
        ),
        file=(config, json.dumps(parts, indent=2) + "\n"),
    )


def app_check(cloud: Cloud, service: str, mode: str) -> ShellCommand:
    """Have a service (`firestore`, `storage`) treat requests that no installation of the app sent by this mode."""
    words = ("appcheck:services:set", service, mode, "--force", f"--project={cloud.project}", "--non-interactive")
    return ShellCommand(arguments=(*_PROGRAM, *words))
