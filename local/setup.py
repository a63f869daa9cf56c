"""Sees to the emulators and Java before anything else runs: finds them, or fetches them once.

    python -m local.setup [-v]

Every make command runs this first, so it is silent and quick when all is there, and says one clear sentence
when something has to be installed by hand.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.emulators import FIRESTORE, PUBSUB, find_or_fetch
from local.errors import StackError
from local.java import choose_java, installed_javas, java_needed


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """What the Google emulators run on."""

    java: Path
    firestore_jar: Path
    pubsub_jar: Path


async def find_toolchain(environment: Mapping[str, str] | None = None, say: Callable[[str], None] = print) -> Toolchain:
    """Find the emulators and a Java new enough for both, or fetch them.

    Raises StackError if something cannot be had.
    """
    environment = os.environ if environment is None else environment
    # Java's version takes a tenth of a second to ask for; the jars are read meanwhile.
    asking = asyncio.create_task(installed_javas(environment))
    try:
        jars = [await find_or_fetch(emulator, environment, say=say) for emulator in (FIRESTORE, PUBSUB)]
        needed = [
            await asyncio.to_thread(java_needed, jar, emulator.main_class)
            for jar, emulator in zip(jars, (FIRESTORE, PUBSUB), strict=True)
        ]
        java = await choose_java(max(needed), await asking, environment, say=say)
    finally:
        asking.cancel()
    return Toolchain(java=java, firestore_jar=jars[0], pubsub_jar=jars[1])


def main(arguments: list[str]) -> int:
    try:
        found = asyncio.run(find_toolchain())
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    if "-v" in arguments:
        print(f"Java                {found.java}")
        print(f"Firestore emulator  {found.firestore_jar}")
        print(f"Pub/Sub emulator    {found.pubsub_jar}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
