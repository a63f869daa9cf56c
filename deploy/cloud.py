"""The project as gcloud sees it: `look` asks and changes nothing, `do` changes.

A plan is worth something on a computer that has no credentials, too. There gcloud cannot ask; then everything is
planned as if nothing existed, and `blind_because` says why. A deployment does not go on blindly: it stops.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from pydantic import SecretStr

from deploy.command import ShellCommand
from deploy.errors import CommandFailed, DeployError
from deploy.shell import CommandEnd, Shell
from deploy.troubles import ABSENT, DISABLED, lasting, passes

_LINES_OF_AN_ERROR: Final = 12
# Where an error begins: gcloud writes ERROR, the Firebase CLI Error. What stands before it is progress.
_BEGINNING: Final = re.compile(r"ERROR|Error:")


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
        self._seen: dict[ShellCommand, CommandEnd] = {}
        self._may_be_blind = may_be_blind
        self._pause_seconds = pause_seconds
        self._patience_seconds = patience_seconds
        self._build_patience_seconds = build_patience_seconds

    def gcloud(self, *words: str) -> ShellCommand:
        """A command of gcloud. The project is always explicit: whatever gcloud is configured to is not meant."""
        return ShellCommand(arguments=("gcloud", *words, f"--project={self.project}", "--quiet"))

    def plain_gcloud(self, *words: str) -> ShellCommand:
        """A command that is not about a project, or names it among its words."""
        return ShellCommand(arguments=("gcloud", *words, "--quiet"))

    async def open(self) -> None:
        """Find the project.

        Raises:
            DeployError: gcloud cannot ask about it, and this is no plan.
        """
        command = self.plain_gcloud("projects", "describe", self.project, "--format=json")
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
        if _says(answer, *DISABLED, *ABSENT):
            return None
        raise DeployError(f"It is not known what there is, since `{command}` failed: {_words(answer)}")

    async def read(self, *words: str) -> str | None:
        """What gcloud answers, as it stands; None where there is nothing."""
        if self.blind_because:
            return None
        answer = await self._ask(self.gcloud(*words))
        if answer.exit_code == 0:
            return answer.stdout
        if _says(answer, *DISABLED, *ABSENT):
            return None
        # The command alone: whatever else was said could quote a secret.
        raise DeployError(f"`{self.gcloud(*words)}` failed.")

    async def hear(self, command: ShellCommand) -> str | None:
        """What another program says that changes nothing; None if it cannot say."""
        if self.blind_because:
            return None
        answer = await self._ask(command)
        return answer.stdout if answer.exit_code == 0 else None

    async def do(self, command: ShellCommand) -> str:
        """Change something; returns what the program said. What Google does not know everywhere yet is waited for.

        Raises:
            CommandFailed: it failed.
        """
        if command.reads:
            command = replace(command, reads=None, stdin=SecretStr((await self.do(command.reads)).strip()))
        give_up_at = time.monotonic() + self._patience_seconds
        while True:
            self._seen.clear()
            answer = await self._shell.run(command)
            if answer.exit_code == 0:
                return answer.stdout
            if not passes(answer.text) or time.monotonic() >= give_up_at:
                trouble = lasting(answer.text)
                remedy = "\n" + trouble.remedy.format(project=self.project) if trouble else ""
                again = "To run the deployment again is safe."
                raise CommandFailed(f"`{command}` failed: {_words(answer)}{remedy}\n{again}", trouble)
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

    async def _ask(self, command: ShellCommand) -> CommandEnd:
        if command not in self._seen:
            self._seen[command] = await self._shell.run(command)
        return self._seen[command]


def _says(answer: CommandEnd, *words: str) -> bool:
    return any(word in answer.text for word in words)


def _words(answer: CommandEnd) -> str:
    """The error itself, from whichever stream it is on; the last lines, where no line begins one."""
    for stream in (answer.stderr, answer.stdout):
        lines = [line for line in stream.strip().splitlines() if line.strip()]
        begin = next((number for number, line in enumerate(lines) if _BEGINNING.match(line.lstrip())), None)
        if begin is not None:
            return "\n".join(lines[begin : begin + _LINES_OF_AN_ERROR])
    last = [line for line in answer.text.splitlines() if line.strip()][-_LINES_OF_AN_ERROR:]
    return "\n".join(last) or f"exit code {answer.exit_code}"
