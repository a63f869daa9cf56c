"""The Firebase CLI, which alone releases rules, and brings firestore.indexes.json to the database."""

from typing import Final

from deploy.cloud import Cloud
from deploy.command import Command

# Pinned, since it deploys what keeps hostile clients out.
VERSION: Final = "15.34.2"


def deploy(cloud: Cloud, *, only: str) -> Command:
    """Deploy a part of firebase.json. It compares first, and without --force it removes no index and no policy."""
    program = ("npx", "--yes", f"firebase-tools@{VERSION}")
    return Command(arguments=(*program, "deploy", f"--only={only}", f"--project={cloud.project}", "--non-interactive"))
