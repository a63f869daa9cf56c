"""Stands in for `gcloud`, `npx` or `scheduler` as a program: `python program.py NAME ARGUMENTS...`.

The project is kept in the file that STAND_IN_STATE names, and each command in the file beside it.
"""

import fcntl
import json
import os
import sys
from pathlib import Path

from tests.deploy.google import Google


def main(arguments: list[str]) -> int:
    """Answer one command."""
    path = Path(os.environ["STAND_IN_STATE"])
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        google = Google(Path.cwd(), json.loads(path.read_text()) if path.exists() else None)
        exit_code, stdout, stderr = google.answer(arguments, stdin)
        path.write_text(json.dumps(google.state))
        with path.with_suffix(".log").open("a") as log:
            log.write(json.dumps([arguments, dict(os.environ)]) + "\n")
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
