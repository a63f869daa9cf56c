"""The operator's commands, `python -m nightshift COMMAND`: run from a checkout, never by a deployed function."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence

import structlog
from google.auth.exceptions import GoogleAuthError

from nightshift import log, settings
from nightshift.audit import command
from nightshift.model.errors import InvalidSettings
from nightshift.runtime import Runtime


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="nightshift", description="Commands for the operators of Nightshift.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    audit = commands.add_parser(
        "audit",
        help="check the invariants over the live database",
        description="Checks the invariants over the live database. Exit code: 0 all hold, 1 findings, 2 could not run.",
    )
    audit.add_argument("--repair", action="store_true", help="mend what can be mended safely, and say what was done")
    audit.add_argument("--json", action="store_true", dest="as_json", help="print JSON, one object a line")
    audit.set_defaults(run=command.run)
    options = vars(parser.parse_args(arguments))
    run: Callable[..., Coroutine[None, None, int]] = options.pop("run")

    log.configure()
    # Standard output is the command's own.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return asyncio.run(run(Runtime(settings.load()), **options))
    except (InvalidSettings, GoogleAuthError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return command.COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
