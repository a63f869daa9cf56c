"""Adds Firebase to a project, and makes the bucket into which the app uploads: `python -m deploy.app_bucket --help`.

Neither gcloud nor the Firebase CLI can make that bucket. These are the calls of Google's documentation:
https://firebase.google.com/docs/reference/firebase-management/rest/v1beta1/projects/addFirebase and
https://firebase.google.com/docs/reference/rest/storage/rest/v1alpha/projects.defaultBucket/create. Each may be
repeated: what is there already stays as it is.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.command import ShellCommand
from deploy.shell import Processes, Shell

# The Firebase CLI reads the same variables.
_FIREBASE: Final = ("FIREBASE_API_URL", "https://firebase.googleapis.com")
_STORAGE: Final = ("FIREBASE_FIREBASESTORAGE_URL", "https://firebasestorage.googleapis.com")
_PAUSE_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 300.0


async def make(project: str, location: str, token: str, environment: Mapping[str, str]) -> None:
    """Make both.

    Raises:
        httpx.HTTPStatusError: Google refused; the response says why.
        TimeoutError: Firebase was not added in five minutes.
    """
    headers = {"Authorization": f"Bearer {token}", "x-goog-user-project": project}
    firebase, storage = (environment.get(variable, address) for variable, address in (_FIREBASE, _STORAGE))
    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        known = await http.get(f"{firebase}/v1beta1/projects/{project}")
        if known.status_code == httpx.codes.NOT_FOUND:
            operation = _answer(await http.post(f"{firebase}/v1beta1/projects/{project}:addFirebase", json={}))
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not operation.get("done"):
                    await asyncio.sleep(_PAUSE_SECONDS)
                    operation = _answer(await http.get(f"{firebase}/v1beta1/{operation['name']}"))
        else:
            _answer(known)
        _answer(await http.post(f"{storage}/v1alpha/projects/{project}/defaultBucket", json={"location": location}))


def _answer(response: httpx.Response) -> Any:
    return response.raise_for_status().json()


async def _token(shell: Shell) -> str:
    said = await shell.run(ShellCommand(arguments=("gcloud", "auth", "print-access-token", "--quiet")))
    return said.stdout.strip()


async def main(arguments: Sequence[str]) -> int:
    """Make both; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.app_bucket", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--project", required=True)
    parser.add_argument("--location", required=True, help="of the bucket, as asia-south1; it cannot be moved")
    given = parser.parse_args(arguments)
    token = await _token(Processes(Path.cwd(), given.project))
    try:
        await make(given.project, given.location, token, os.environ)
    except httpx.HTTPStatusError as refused:
        # In the form of gcloud's errors, so that a trouble that passes is known by its words.
        sys.stderr.write(f"ERROR: {refused.response.status_code} {refused.response.text}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
