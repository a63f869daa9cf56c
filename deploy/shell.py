"""Runs commands as processes of this computer."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from deploy.command import Command

# Nobody sits at gcloud's prompts, and an API is enabled by its step alone.
_NO_QUESTIONS: Final = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API": "false"}
# `npx` fetches the Firebase CLI; no program of a package runs by being installed.
_NO_SCRIPTS: Final = {"npm_config_ignore_scripts": "true"}
# Secrets reach a program by its standard input alone; and what is deployed is deployed to Google, not to an emulator.
_OURS: Final = ("OPENAI_", "NIGHTSHIFT_")
_EMULATORS: Final = "_EMULATOR_HOST"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


class Shell(Protocol):
    """Whoever runs commands."""

    async def run(self, command: Command) -> Answer:
        """Run it to its end."""


class Processes:
    """Each command a process, in the repository's root."""

    def __init__(self, root: Path, caller: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self.environment = (
            {
                name: value
                for name, value in caller.items()
                if not name.startswith(_OURS) and not name.endswith(_EMULATORS)
            }
            | _NO_QUESTIONS
            | _NO_SCRIPTS
        )

    async def run(self, command: Command) -> Answer:
        """Run it to its end; what it says is kept, and not shown."""
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._root,
            env=self.environment,
        )
        given = command.stdin.get_secret_value().encode() if command.stdin else b""
        stdout, stderr = await process.communicate(given)
        return Answer(
            exit_code=process.returncode or 0,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        )
