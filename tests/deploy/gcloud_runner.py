"""The real gcloud, many commands in one process: it is run by the Python of the Cloud SDK, not by ours.

    python gcloud_runner.py LIB

Each line of its standard input is `{"arguments": [...], "stdin": TEXT}`, without the leading `gcloud`; each line of its
output `{"exit_code", "stdout", "stderr"}`. All of a command is gcloud's own, from its parser to its HTTP requests. Only
the start is shared, since it takes seconds.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any


def main(lib: Path) -> None:
    """Run commands until the input ends."""
    sys.path[:0] = [str(lib), str(lib / "third_party")]
    answers, sys.stdout = sys.stdout, io.StringIO()
    from googlecloudsdk import gcloud_main  # type: ignore[import-not-found]
    from googlecloudsdk.core import properties  # type: ignore[import-not-found]

    # gcloud has no setting for the address of this one API, and takes one once there is.
    properties.VALUES.api_endpoint_overrides._Add("billingbudgets", command="gcloud billing budgets")
    cli = gcloud_main.CreateCLI([])
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        json.dump(_run(cli, asked["arguments"], asked["stdin"]), answers)
        answers.write("\n")
        answers.flush()


def _run(cli: Any, arguments: list[str], stdin: str) -> dict[str, Any]:
    from googlecloudsdk.core import log

    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    log.Reset(sys.stdout, sys.stderr)
    code: Any = 0
    try:
        cli.Execute(arguments)
    except SystemExit as end:
        code = end.code
    except Exception as crash:  # noqa: BLE001 - a process of gcloud's own would end with it
        code = f"{type(crash).__name__}: {crash}"
    finally:
        said = [stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr)]
        sys.stdin, sys.stdout, sys.stderr = kept
    if isinstance(code, str):
        return {"exit_code": 1, "stdout": said[0], "stderr": f"{said[1]}ERROR: gcloud crashed ({code})\n"}
    return {"exit_code": int(code or 0), "stdout": said[0], "stderr": said[1]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
