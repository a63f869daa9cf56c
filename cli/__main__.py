"""The operator's commands, `./nightshift COMMAND`: run from a checkout, never by a deployed function."""

import sys
from collections.abc import Sequence
from typing import Final

from cli.commands import audit, batches, bill, cancel, erase, grant, job, move, reprocess, retry, running, stats
from cli.commands.command import Command

COMMANDS: Final[Sequence[Command]] = (
    job.COMMAND,
    batches.COMMAND,
    stats.COMMAND,
    bill.COMMAND,
    audit.COMMAND,
    grant.COMMAND,
    retry.COMMAND,
    move.COMMAND,
    reprocess.COMMAND,
    cancel.COMMAND,
    erase.COMMAND,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    return running.main(COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
