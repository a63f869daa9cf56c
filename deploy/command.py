"""One command of another program, as it is shown and as it is run."""

import shlex
from dataclasses import dataclass, field

from pydantic import SecretStr


@dataclass(frozen=True, kw_only=True)
class ShellCommand:
    """A program and its arguments. A secret is never among them: other users of the computer can read those."""

    arguments: tuple[str, ...]
    # What it reads from its standard input.
    stdin: SecretStr | None = field(default=None, repr=False)
    # Its output, without the line end, is what this one reads. It is shown nowhere.
    reads: "ShellCommand | None" = None
    # A file that it reads, by its name in the repository's root; it is written anew before the program runs.
    file: tuple[str, str] | None = None

    def __str__(self) -> str:
        """As a person would type it."""
        typed = shlex.join(self.arguments)
        if self.reads:
            return f"{self.reads} | {typed}"
        return f"{typed}  # reads the secret from its standard input" if self.stdin else typed
