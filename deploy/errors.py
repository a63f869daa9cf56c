"""The errors of `deploy/`: their messages are sentences for the person who deploys."""

from cli.commands.command import Refused
from deploy.troubles import GoogleTrouble
from nightshift.errors import NightshiftError


class DeployError(NightshiftError):
    """Something has to change before the deployment can go on; the text says what. To run it again is always safe."""


class Unfinished(DeployError, Refused):
    """A person has to bring something: nothing was changed, or all else is deployed."""


class CommandFailed(DeployError):
    """A command that changes something failed for good. `trouble` is its kind, where that is known."""

    def __init__(self, text: str, trouble: GoogleTrouble | None) -> None:
        super().__init__(text)
        self.trouble = trouble
