"""One part of the stack: started on a leash, asked over HTTP whether it is ready, stopped by letting go.

Every part speaks HTTP, and any answer at all, also a 404, proves that it listens and has loaded its code. A
part is tied to no event loop, since a test run starts the emulators before it has one.
"""

import asyncio
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from local import leash
from local.errors import StackError

ROOT = Path(__file__).resolve().parent.parent
# Long enough for a busy machine: a part that fails to start ends, and is noticed at once.
READY_WITHIN_SECONDS = 120.0
_LOOK_EVERY_SECONDS = 0.05
_LAST_LINES = 12


class Part(ABC):
    """What was started when this object was made, and listens at an address."""

    def __init__(self, *, name: str, address: str, log_dir: Path, probe_path: str = "/") -> None:
        self.name = name
        self.address = address  # HOST:PORT
        self.log = log_dir / f"{name.lower().replace(' ', '-').replace('/', '')}.log"
        self._probe_url = f"http://{address}{probe_path}"
        self._started_at = time.monotonic()

    @abstractmethod
    def exit_code(self) -> int | None:
        """None while it runs."""

    @abstractmethod
    def let_go(self) -> None:
        """Ask the leash to end it; returns at once."""

    @abstractmethod
    def wait(self) -> None:
        """After `let_go`, wait until it is gone: at most the leash's grace and a moment."""

    async def ready(self, client: httpx.AsyncClient) -> float:
        """Wait until it answers; returns how many seconds that took since its start.

        Raises StackError with the last lines of its log if it stops, or takes more than READY_WITHIN_SECONDS.
        """
        while not await self._answers(client):
            if self.exit_code() is not None:
                raise StackError(self.obituary("stopped before it was ready"))
            if time.monotonic() - self._started_at > READY_WITHIN_SECONDS:
                raise StackError(self.obituary(f"was not ready within {READY_WITHIN_SECONDS:.0f} seconds"))
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return time.monotonic() - self._started_at

    def obituary(self, what_happened: str) -> str:
        """One sentence, and the end of its log."""
        code = self.exit_code()
        ending = f" (exit code {code})" if code is not None else ""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
        end_of_log = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
        return f"{self.name} {what_happened}{ending}; the end of its log, {self.log}:\n{end_of_log}"

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            await client.get(self._probe_url, timeout=5.0)
        except httpx.HTTPError:
            return False
        return True


class Leashed:
    """One process on a leash; what it starts ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        # A process that is started again goes on in its log.
        with log.open("ab") as end:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, "--", *command],
                stdin=subprocess.PIPE,  # the leash: only this process holds the other end
                stdout=end,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=ROOT,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def let_go(self) -> None:
        """Ask the leash to end it; returns at once."""
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self) -> None:
        """After `let_go`, wait until it is gone: at most the leash's grace and a moment."""
        try:
            self._process.wait(leash.GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class ProcessPart(Part):
    """A part that is a process of its own."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_dir: Path,
        probe_path: str = "/",
    ) -> None:
        super().__init__(name=name, address=address, log_dir=log_dir, probe_path=probe_path)
        self._leashed = Leashed(command, environment, self.log)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._leashed.exit_code()

    def let_go(self) -> None:
        """Ask the leash to end it; returns at once."""
        self._leashed.let_go()

    def wait(self) -> None:
        """After `let_go`, wait until it is gone."""
        self._leashed.wait()


def stop(parts: Sequence[Part]) -> None:
    """End them all at the same time, and wait until they are gone."""
    for part in parts:
        part.let_go()
    for part in parts:
        part.wait()
