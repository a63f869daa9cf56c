"""The project as gcloud sees it: `look` asks and changes nothing, `do` changes.

A plan is worth something on a computer that has no credentials, too. There gcloud cannot ask; then everything is
planned as if nothing existed, and `blind_because` says why. A deployment does not go on blindly: it stops.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from deploy.command import Command
from deploy.errors import DeployError
from deploy.shell import Answer, Shell

# An API that is not enabled yet has nothing in it.
_DISABLED: Final = ("SERVICE_DISABLED", "has not been used in project", "not enabled on project")
_ABSENT: Final = ("NOT_FOUND", "not found", "does not exist")
# A grant, an account or an API of a moment ago is not known everywhere yet. Google's own words for it.
_NOT_YET: Final = re.compile(
    "|".join(
        (
            *_DISABLED,
            "while using the Eventarc Service Agent",
            "Cannot find metric that matches type",
            "Service account .* does not exist",
        )
    )
)
_LINES_OF_AN_ERROR: Final = 6


class Cloud:
    """One project and region."""

    def __init__(
        self,
        *,
        project: str,
        region: str,
        shell: Shell,
        may_be_blind: bool,
        pause_seconds: float,
        patience_seconds: float,
        build_patience_seconds: float,
    ) -> None:
        self.project = project
        self.region = region
        self.blind_because: str | None = None
        # Google's agents are named after it.
        self.project_number = "PROJECT_NUMBER"
        self._shell = shell
        # What was looked at since the last change.
        self._seen: dict[Command, Answer] = {}
        self._may_be_blind = may_be_blind
        self._pause_seconds = pause_seconds
        self._patience_seconds = patience_seconds
        self._build_patience_seconds = build_patience_seconds

    def gcloud(self, *words: str) -> Command:
        """A command of gcloud. The project is always explicit: whatever gcloud is configured to is not meant."""
        return Command(arguments=("gcloud", *words, f"--project={self.project}", "--quiet"))

    async def open(self) -> None:
        """Find the project.

        Raises:
            DeployError: gcloud cannot ask about it, and this is no plan.
        """
        command = Command(arguments=("gcloud", "projects", "describe", self.project, "--format=json", "--quiet"))
        answer = await self._shell.run(command)
        if answer.exit_code == 0:
            self.project_number = str(json.loads(answer.stdout)["projectNumber"])
        elif self._may_be_blind:
            self.blind_because = _words(answer)
        else:
            raise DeployError(f"The project {self.project} cannot be looked at: {_words(answer)}")

    async def look(self, *words: str) -> Any:
        """What gcloud answers, from its JSON; None for what does not exist.

        Raises:
            DeployError: it could not answer.
        """
        if self.blind_because:
            return None
        command = self.gcloud(*words, "--format=json")
        answer = await self._ask(command)
        if answer.exit_code == 0:
            return json.loads(answer.stdout or "null")
        if _says(answer, *_DISABLED, *_ABSENT):
            return None
        raise DeployError(f"It is not known what there is, since `{command}` failed: {_words(answer)}")

    async def read(self, *words: str) -> str | None:
        """What gcloud answers, as it stands; None where there is nothing."""
        if self.blind_because:
            return None
        answer = await self._ask(self.gcloud(*words))
        if answer.exit_code == 0:
            return answer.stdout
        if _says(answer, *_DISABLED, *_ABSENT):
            return None
        # The command alone: whatever else was said could quote a secret.
        raise DeployError(f"`{self.gcloud(*words)}` failed.")

    async def hear(self, command: Command) -> str | None:
        """What another program says that changes nothing; None if it cannot say."""
        if self.blind_because:
            return None
        answer = await self._ask(command)
        return answer.stdout if answer.exit_code == 0 else None

    async def do(self, command: Command) -> str:
        """Change something; returns what the program said. What Google does not know everywhere yet is waited for.

        Raises:
            DeployError: it failed.
        """
        give_up_at = time.monotonic() + self._patience_seconds
        while True:
            self._seen.clear()
            answer = await self._shell.run(command)
            if answer.exit_code == 0:
                return answer.stdout
            if not _NOT_YET.search(answer.stderr) or time.monotonic() >= give_up_at:
                raise DeployError(f"`{command}` failed: {_words(answer)}\nTo run the deployment again is safe.")
            await asyncio.sleep(self._pause_seconds)

    async def wait(self, until: Callable[[], Awaitable[bool]], what: str) -> None:
        """Look again and again until it is so.

        Raises:
            DeployError: it takes very long.
        """
        give_up_at = time.monotonic() + self._build_patience_seconds
        while not await until():
            if time.monotonic() >= give_up_at:
                raise DeployError(f"{what}: this takes its time. Run the deployment again later; it goes on from here.")
            await asyncio.sleep(self._pause_seconds)
            self._seen.clear()

    async def _ask(self, command: Command) -> Answer:
        if command not in self._seen:
            self._seen[command] = await self._shell.run(command)
        return self._seen[command]


def _says(answer: Answer, *words: str) -> bool:
    return any(word in answer.stderr for word in words)


def _words(answer: Answer) -> str:
    lines = [line for line in (answer.stderr or answer.stdout).strip().splitlines() if line.strip()]
    # What comes before gcloud's own ERROR is progress.
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), 0)
    return "\n".join(lines[first : first + _LINES_OF_AN_ERROR]) or f"exit code {answer.exit_code}"
