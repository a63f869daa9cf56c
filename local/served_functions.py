"""The functions, each in a process and on a port of its own, and started again when their code changes."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from local.changes import changes
from local.errors import StackError
from local.part import Part, stop
from local.ports import HOST, free_ports
from nightshift.functions import Function

_NEXT = "They start again with the next change."


class ServedFunctions:
    """The processes of the functions in `source` (a main.py).

    Args:
        framework: what Python runs to serve a function.
        environment: all that one function sees.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        source: Path,
        framework: Sequence[str],
        environment: Callable[[Function], Mapping[str, str]],
        log_dir: Path,
    ) -> None:
        self._functions = functions
        self._source = source
        self._framework = framework
        self._environment = environment
        self._log_dir = log_dir
        ports = free_ports(len(functions))
        self.urls = {function.target: f"http://{HOST}:{port}" for function, port in zip(functions, ports, strict=True)}
        self.parts: list[Part] = []
        self._is_starting_again = False

    def start(self) -> list[Part]:
        """Start them; they are not ready yet."""
        self.parts = [self._start(function) for function in self._functions]
        return self.parts

    def stopped(self) -> list[Part]:
        """Those that stopped by themselves, and not for a change of their code that they did not survive."""
        return [] if self._is_starting_again else [part for part in self.parts if part.exit_code() is not None]

    async def follow_changes(self, say: Callable[[str], None]) -> None:
        """Start them again whenever a file of theirs changes, until cancelled.

        What the emulators hold stays. Events that come meanwhile wait: the relay and Pub/Sub deliver them again.
        """
        async for changed in changes(self._source.parent):
            if fault := await self._fault_of_job_types():
                say(f"{', '.join(changed)} changed, and the functions go on as they were: {fault}\n{_NEXT}")
                continue
            say(f"{', '.join(changed)} changed; the functions start again ...")
            self._is_starting_again = True
            await asyncio.to_thread(stop, self.parts)
            try:
                async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as group:
                    for part in self.start():
                        group.create_task(part.ready(client))
            except* StackError as failures:
                say(f"{failures.exceptions[0]}\n{_NEXT}")
            else:
                self._is_starting_again = False
                say("The functions are ready.")

    async def _fault_of_job_types(self) -> str:
        """Why the job types cannot be read, in a line; a function that runs reads them with its first event only."""
        folder = self._source.parent
        if not await asyncio.to_thread((folder / "nightshift").is_dir):
            return ""
        reading = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from nightshift.job_types import registered; registered()"),
            cwd=folder,
            env={**self._environment(self._functions[0]), "PYTHONPATH": str(folder)},
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        _, said = await reading.communicate()
        return said.decode(errors="replace").strip().rpartition("\n")[2] if reading.returncode else ""

    def _start(self, function: Function) -> Part:
        port = self.urls[function.target].rpartition(":")[2]
        return Part(
            name=function.target,
            address=f"{HOST}:{port}",
            command=[
                *(sys.executable, *self._framework, "--source", str(self._source)),
                *("--target", function.target, "--host", HOST, "--port", port),
            ],
            environment=self._environment(function),
            log_dir=self._log_dir,
            probe_path="/robots.txt",  # the framework itself answers; no code of the function runs
        )
