"""Gives a user tokens on the local stack, by the same code as `./nightshift grant`."""

import os

from google.api_core.exceptions import GoogleAPIError

from local.errors import StackError
from nightshift.errors import TryLater
from nightshift.ledger.grants import grant
from nightshift.runtime import Runtime
from nightshift.settings import Settings

_EMULATOR = "FIRESTORE_EMULATOR_HOST"


async def grant_tokens(firestore_host: str, project: str, uid: str, amount: int, entry_id: str = "welcome") -> None:
    """Give `uid` so many tokens under the ledger entry `entry_id`, once however often this is called.

    Raises StackError if the emulator refuses, or cannot be reached.
    """
    runtime = _runtime(firestore_host, project)
    try:
        await grant(runtime, uid, amount, entry_id)
    except (TryLater, GoogleAPIError) as error:
        raise StackError(f"{uid} could not be granted {amount} tokens: {type(error).__name__}") from error


def _runtime(firestore_host: str, project: str) -> Runtime:
    """A runtime whose Firestore is this emulator. The client reads its host from the environment as it is built."""
    runtime = Runtime(Settings.model_validate({"GOOGLE_CLOUD_PROJECT": project}))
    before = os.environ.get(_EMULATOR)
    os.environ[_EMULATOR] = firestore_host
    try:
        _ = runtime.firestore
    finally:
        if before is None:
            del os.environ[_EMULATOR]
        else:
            os.environ[_EMULATOR] = before
    return runtime
