"""Google's side of the stack: Firestore, Pub/Sub and Cloud Storage, each an emulator in a process of its own.

The stack runs them together with the functions; a test run wants them alone, and wants them before it has an
event loop:

    with running_emulators() as emulators:
        os.environ.update(emulators.environment)
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.emulators import FIRESTORE
from local.environment import basic_environment
from local.errors import StackError
from local.part import Part, ProcessPart, stop
from local.ports import EVERYWHERE, HOST, free_ports, standard_ports
from local.ports import FIRESTORE as FIRESTORE_PORT
from local.ports import PUBSUB as PUBSUB_PORT
from local.setup import Toolchain, find_toolchain

# Half the start-up time: no profiling for the last optimisation, no threads for garbage that is hardly there.
_JAVA_OPTIONS = ("-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@dataclass(frozen=True, kw_only=True)
class CloudAddresses:
    """Where the emulators listen."""

    firestore: str  # HOST:PORT
    pubsub: str
    storage: str

    @classmethod
    def choose(cls, *, standard: bool = False) -> "CloudAddresses":
        """Free ports; with `standard` those of the Emulator Suite where they are free.

        Cloud Storage has always another: at the standard port the app finds `local/firebase/storage_routes.py`.
        """
        firestore, pubsub = standard_ports((FIRESTORE_PORT, PUBSUB_PORT)) if standard else free_ports(2)
        (storage,) = free_ports(1)
        return cls(firestore=f"{HOST}:{firestore}", pubsub=f"{HOST}:{pubsub}", storage=f"{HOST}:{storage}")

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Google's client libraries find the emulators."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "PUBSUB_EMULATOR_HOST": self.pubsub,
            "STORAGE_EMULATOR_HOST": f"http://{self.storage}",
        }


def start_cloud(
    addresses: CloudAddresses,
    toolchain: Toolchain,
    *,
    caller: Mapping[str, str],
    log_dir: Path,
    rules: Path | None = None,
    events_to: str | None = None,
    lan: bool = False,
) -> list[Part]:
    """Start the three emulators; they are not ready yet.

    `rules` is a Firestore rules file, without which everybody may do everything; `events_to` is the HOST:PORT
    that receives Firestore's trigger events. With `lan`, a phone in the same network reaches Firestore, too.
    """
    environment = basic_environment(caller)
    java = [str(toolchain.java), *_JAVA_OPTIONS]
    firestore = [
        *java,
        "-cp",
        str(toolchain.firestore_jar),
        FIRESTORE.main_class,
        *_listen(addresses.firestore, everywhere=lan),
    ]
    if rules:
        firestore.append(f"--rules={rules}")
    if events_to:
        firestore.append(f"--functions_emulator={events_to}")
    pubsub = [*java, "-jar", str(toolchain.pubsub_jar), *_listen(addresses.pubsub)]
    host, port = addresses.storage.split(":")
    storage = [sys.executable, "-m", "local.storage_emulator", host, port]
    return [
        ProcessPart(name=name, address=address, command=command, environment=environment, log_dir=log_dir)
        for name, address, command in (
            ("Firestore", addresses.firestore, firestore),
            ("Pub/Sub", addresses.pubsub, pubsub),
            ("Cloud Storage", addresses.storage, storage),
        )
    ]


async def create_bucket(client: httpx.AsyncClient, storage: str, project: str, bucket: str) -> None:
    """Create a bucket in the emulator at `storage` (HOST:PORT)."""
    answer = await client.post(f"http://{storage}/storage/v1/b", params={"project": project}, json={"name": bucket})
    if answer.is_error:
        raise StackError(f"The bucket {bucket} could not be created: {answer.text.strip()}")


class Emulators:
    """The three emulators alone, for a test run. Needs no event loop, and does not mind one.

    No rules hold there, unless a project is given some (`local/rules.py`).
    """

    def __init__(self, *, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._parts: list[Part] = []
        self._log_dir: Path | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> dict[str, str]:
        """Start them, wait until they are ready; returns the variables to set.

        Raises StackError if one cannot be had or does not come up; none is left running then.
        """
        try:
            _run_apart(self._start())
        except BaseException:
            self.stop()
            raise
        return self.environment

    def check_running(self) -> None:
        """Raise StackError if one of them has ended by itself: what was played without it says nothing."""
        for part in self._parts:
            if part.exit_code() is not None:
                raise StackError(part.obituary("has ended meanwhile, though nothing stopped it"))

    def stop(self) -> None:
        """Stop them, and remove their logs."""
        stop(self._parts)
        self._parts = []
        if self._log_dir:
            shutil.rmtree(self._log_dir, ignore_errors=True)

    async def _start(self) -> None:
        toolchain = await find_toolchain(say=self._say)
        addresses = CloudAddresses.choose()
        self._log_dir = Path(tempfile.mkdtemp(prefix="nightshift-emulators-"))
        self._parts = start_cloud(addresses, toolchain, caller=os.environ, log_dir=self._log_dir)
        async with httpx.AsyncClient(trust_env=False) as client:
            await asyncio.gather(*(part.ready(client) for part in self._parts))
        self.environment = addresses.environment


@contextmanager
def running_emulators(*, say: Callable[[str], None] = print) -> Iterator[Emulators]:
    """The three emulators for the length of a `with`."""
    emulators = Emulators(say=say)
    emulators.start()
    try:
        yield emulators
    finally:
        emulators.stop()


def _run_apart(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end in a thread of its own: the caller may be inside an event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, work).result()


def _listen(address: str, *, everywhere: bool = False) -> list[str]:
    host, port = address.split(":")
    return [f"--host={EVERYWHERE if everywhere else host}", f"--port={port}"]
