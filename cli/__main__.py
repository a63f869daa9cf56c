"""The operator's commands, `./nightshift COMMAND`: run from a checkout, never by a deployed function."""

import sys
from collections.abc import Sequence
from typing import Final

from cli.commands import (
    audit,
    batches,
    bill,
    bulk,
    cancel,
    erase,
    grant,
    job,
    jobs,
    mail,
    move,
    report,
    reprocess,
    retry,
    running,
    scheduler,
    schedules,
    stats,
    submit,
    user,
)
from cli.commands.command import Command

COMMANDS: Final[Sequence[Command]] = (
    job.COMMAND,
    jobs.COMMAND,
    user.COMMAND,
    batches.COMMAND,
    bulk.COMMAND,
    stats.COMMAND,
    bill.COMMAND,
    report.COMMAND,
    audit.COMMAND,
    grant.COMMAND,
    mail.COMMAND,
    retry.COMMAND,
    move.COMMAND,
    reprocess.COMMAND,
    cancel.COMMAND,
    submit.COMMAND,
    scheduler.COMMAND,
    erase.COMMAND,
    schedules.COMMAND,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    return running.main(COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
