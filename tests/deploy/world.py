"""A deployment of a checkout to the stand-in, in this process: so it can be broken off at each of its commands."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from deploy import options, run
from deploy.change import Change
from deploy.cloud import Cloud
from deploy.command import ShellCommand
from deploy.deployment import Deployment
from deploy.lock import held
from deploy.shell import CommandEnd
from tests.deploy import sample_monitoring
from tests.deploy.google import PROJECT, Google, changes_something

ROOT = Path(__file__).parents[2]
SECRETS = {"OPENAI_API_KEY": "sk-marked-key-1", "OPENAI_WEBHOOK_SECRET": "whsec_bWFya2VkLW1hcmtlZC1tYXJrZWQtbWFya2Vk"}


class Died(BaseException):
    """The deployment's process is gone."""


class Terminal:
    """Runs commands on the stand-in, keeps them, and dies at the command that a test chose."""

    def __init__(
        self, google: Google, *, dies_at: int | None = None, when: Literal["before", "after"] = "before"
    ) -> None:
        self.google = google
        self.commands: list[ShellCommand] = []
        self._dies_at = dies_at
        self._when = when

    @property
    def made(self) -> list[tuple[str, ...]]:
        """The commands that changed something, or might have."""
        return [command.arguments for command in self.commands if changes_something(command.arguments)]

    async def run(self, command: ShellCommand) -> CommandEnd:
        """Run it."""
        self.commands.append(command)
        dies = changes_something(command.arguments) and len(self.made) == self._dies_at
        if dies and self._when == "before":
            raise Died
        stdin = command.stdin.get_secret_value() if command.stdin else ""
        exit_code, stdout, stderr = self.google.answer(command.arguments, stdin)
        if dies:
            raise Died
        return CommandEnd(exit_code=exit_code, stdout=stdout, stderr=stderr)


@dataclass
class Site:
    """A checkout and a project, which outlive the deployments from the one to the other."""

    root: Path
    google: Google
    said: list[str] = field(default_factory=list)
    # What the last plan found.
    planned: list[Change] = field(default_factory=list)
    # What the last deployment left to a person.
    left: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        """All that there is in the project."""
        return self.google.state

    async def deploy(
        self,
        secrets: Mapping[str, str] = SECRETS,
        *,
        email: str | None = None,
        region: str = "asia-south1",
        settings: str = "",
        dies_at: int | None = None,
        when: Literal["before", "after"] = "before",
        plan_only: bool = False,
    ) -> Terminal:
        """Deploy, and return the terminal with all commands."""
        terminal = Terminal(self.google, dies_at=dies_at, when=when)
        deployment = await self.begin(
            terminal, secrets, email=email, region=region, settings=settings, is_plan=plan_only
        )
        self.planned = await run.plan(deployment, self.said.append, with_commands=True)
        if not plan_only:
            run.refuse_if_missing(self.planned)
            async with held(deployment):
                self.left = await run.take(deployment, self.said.append)
        return terminal

    async def begin(
        self,
        terminal: Terminal,
        secrets: Mapping[str, str] = SECRETS,
        *,
        email: str | None = None,
        region: str = "asia-south1",
        settings: str = "",
        is_plan: bool = False,
    ) -> Deployment:
        """A deployment, of which nothing is done yet."""
        cloud = Cloud(
            project=PROJECT,
            region=region,
            shell=terminal,
            may_be_blind=is_plan,
            pause_seconds=0,
            patience_seconds=0,
            build_patience_seconds=0,
        )
        path = self.root / "deploy" / "settings" / f"{PROJECT}.env"
        path.parent.mkdir(exist_ok=True)
        path.write_text(settings)
        variables, choices = options.divided(options.read_settings(path))
        given = options.given_secrets(secrets)
        checked = options.check_settings(PROJECT, variables, given, {})
        await cloud.open()
        return Deployment(
            cloud=cloud,
            root=self.root,
            settings=checked,
            variables=variables,
            secrets=given,
            email=email,
            choices=choices,
        )

    def actions(self) -> set[str]:
        """What the last plan said of things."""
        return {change.action for change in self.planned}


def new_site(folder: Path) -> Site:
    """A new project, and the parts of this checkout that are deployed."""
    for name in ("firestore.indexes.json", "firestore.rules", "storage.rules", "firebase.json"):
        shutil.copy(ROOT / name, folder)
    (folder / "functions").mkdir()
    (folder / "functions" / "main.py").write_text("# the functions\n")
    (folder / "deploy").mkdir()
    for name in ("lifecycle.json", "images.json"):
        shutil.copy(ROOT / "deploy" / name, folder / "deploy")
    sample_monitoring.write(folder)
    return Site(root=folder, google=Google(folder))


def copy_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that stays as it is."""
    copied: dict[str, Any] = json.loads(json.dumps(state))
    return copied
