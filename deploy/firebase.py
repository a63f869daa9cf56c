"""The Firebase CLI, which alone releases rules, and brings firestore.indexes.json to the database.

It is installed by `npm ci` from `firebase-cli/package-lock.json`, since it deploys what keeps hostile clients out: each
package that it needs has the digest that stands there.
"""

import json

from deploy.cloud import Cloud
from deploy.command import Command
from deploy.shell import FIREBASE_CLI


def deploy(cloud: Cloud, *, only: str, uploads_bucket: str) -> Command:
    """Deploy a part of what this checkout has. It compares first; without --force it removes no index and no policy.

    Args:
        uploads_bucket: to which storage.rules are released. Without a name, the CLI takes the default bucket.
    """
    # The CLI looks for the rules beside its configuration, so this stands beside firebase.json.
    config = f"firebase.{cloud.project}.json"
    parts = {
        "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
        "storage": [{"bucket": uploads_bucket, "rules": "storage.rules"}],
    }
    program = ("npx", f"--prefix={FIREBASE_CLI}", "--no", "--", "firebase")
    return Command(
        arguments=(
            *(*program, "deploy", f"--only={only}", f"--config={config}"),
            *(f"--project={cloud.project}", "--non-interactive"),
        ),
        file=(config, json.dumps(parts, indent=2) + "\n"),
    )
