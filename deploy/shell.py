"""Runs commands as processes of this computer."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from deploy.command import ShellCommand
from nightshift.functions import SECRETS

# Where `npm ci` installs the Firebase CLI.
FIREBASE_CLI: Final = "deploy/firebase-cli"
# No person sits at gcloud's prompts, and an API is enabled by its step alone.
_NO_QUESTIONS: Final = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API": "false"}
# Secrets reach a program by its standard input alone; and what is deployed is deployed to Google, not to an emulator.
_OURS: Final = tuple({variable.partition("_")[0] + "_" for variable in SECRETS.values()} | {"NIGHTSHIFT_"})
# Deprecated, and stronger than the credentials that the plan names.
_OTHER_IDENTITY: Final = "FIREBASE_TOKEN"
_EMULATORS: Final = "_EMULATOR_HOST"


@dataclass(frozen=True, kw_only=True)
class CommandEnd:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it said: gcloud writes its errors on one stream, the Firebase CLI on the other."""
        return f"{self.stdout}\n{self.stderr}"


class Shell(Protocol):
    """What runs commands."""

    async def run(self, command: ShellCommand) -> CommandEnd:
        """Run it to its end."""


class Processes:
    """Each command a process, in the repository's root."""

    def __init__(self, root: Path, project: str, caller: Mapping[str, str] = os.environ) -> None:
        """Run them for a project.

        A user's application-default credentials have no project of their own. Google's libraries and the Firebase CLI
        name the one to be charged by GOOGLE_CLOUD_QUOTA_PROJECT; without it, most APIs refuse them.

        A user of `firebase login` would take precedence over those credentials. So the Firebase CLI gets a
        configuration of its own, in which no user has logged in.
        """
        self._root = root
        self._environment = {
            name: value
            for name, value in caller.items()
            if not name.startswith(_OURS) and not name.endswith(_EMULATORS) and name != _OTHER_IDENTITY
        }
        self._environment |= _NO_QUESTIONS
        self._environment["GOOGLE_CLOUD_QUOTA_PROJECT"] = project
        self._environment["XDG_CONFIG_HOME"] = str(root / FIREBASE_CLI / ".config")

    async def run(self, command: ShellCommand) -> CommandEnd:
        """Run it to its end; what it says is kept, and not shown."""
        if command.file:
            name, content = command.file
            await asyncio.to_thread((self._root / name).write_text, content)
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._root,
            env=self._environment,
        )
        given = command.stdin.get_secret_value().encode() if command.stdin else b""
        stdout, stderr = await process.communicate(given)
        return CommandEnd(
            exit_code=process.returncode or 0,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        )
