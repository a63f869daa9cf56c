"""Has gcloud's own parser read commands, and runs none. It is run by the Python of the Cloud SDK, not by ours.

    python gcloud_parser.py LIB < COMMANDS > ERRORS

LIB is the SDK's folder `lib`. COMMANDS is a JSON list of commands, each a list of words without the leading `gcloud`;
ERRORS a list of as many: null, or what gcloud would have said. All are read in one process, since gcloud takes seconds
to start.
"""

import io
import json
import sys
from pathlib import Path


def main(lib: Path) -> None:
    """Read the commands, and say what is wrong with them."""
    sys.path[:0] = [str(lib), str(lib / "third_party")]
    printed = io.StringIO()
    # gcloud keeps the stream that it finds when it is imported.
    sys.stderr = printed
    from googlecloudsdk import gcloud_main  # type: ignore[import-not-found]
    from googlecloudsdk.core import properties  # type: ignore[import-not-found]

    # What gcloud's own Execute does before it runs a command: parse, then resolve the resources that are named.
    parser = gcloud_main.CreateCLI([]).top_element._parser
    errors: list[str | None] = []
    for command in json.load(sys.stdin):
        printed.seek(0)
        printed.truncate()
        properties.VALUES.PushInvocationValues()
        try:
            parsed = parser.parse_args(command)
            if parsed.CONCEPT_ARGS is not None:
                parsed.CONCEPT_ARGS.ParseConcepts()
            errors.append(None)
        except SystemExit:
            errors.append(printed.getvalue().strip())
        except Exception as error:  # noqa: BLE001 - gcloud's errors have no name outside of it
            errors.append(f"{type(error).__name__}: {error}")
        finally:
            properties.VALUES.PopInvocationValues()
    json.dump(errors, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
