"""The functions, each in a process and on a port of its own, and started again when their code changes.

All processes are forked from one, which imports for all of them (`local/warm_parent.py`). They end together.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from local.changes import changes
from local.environment import basic_environment
from local.errors import StackError
from local.part import Leashed, Part, stop
from local.ports import HOST, free_ports
from local.warm_parent import SERVED, OneServed, Served
from nightshift.functions import Function

_NEXT = "They start again with the next change."


class _Forked(Part):
    """A function's process, whose parent is on the leash."""

    def __init__(self, parent: Leashed, ended: Path, *, name: str, address: str, log_dir: Path) -> None:
        # The framework itself answers this; no code of the function runs.
        super().__init__(name=name, address=address, log_dir=log_dir, probe_path="/robots.txt")
        self.log.touch()
        self._parent = parent
        self._ended = ended

    def exit_code(self) -> int | None:
        """None while it runs."""
        code = self._ended.read_text() if self._ended.exists() else ""
        return int(code) if code else self._parent.exit_code()

    def let_go(self) -> None:
        """Ask the leash to end it, with all the others; returns at once."""
        self._parent.let_go()

    def wait(self) -> None:
        """After `let_go`, wait until all are gone."""
        self._parent.wait()


class ServedFunctions:
    """The processes of the functions in `source` (a main.py).

    Args:
        framework: the module that serves a function, and its first arguments.
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
        ended = [self._log_dir / f"{function.target}.ended" for function in self._functions]
        for file in ended:
            file.unlink(missing_ok=True)
        module, *arguments = self._framework
        served = Served(
            module=module,
            arguments=arguments,
            source=str(self._source),
            functions=[self._served(function, file) for function, file in zip(self._functions, ended, strict=True)],
        )
        parent = Leashed(
            [sys.executable, "-m", "local.warm_parent"],
            basic_environment(os.environ) | {SERVED: json.dumps(served)},
            self._log_dir / "functions.log",
        )
        self.parts = [
            _Forked(
                parent,
                file,
                name=function.target,
                address=self.urls[function.target].removeprefix("http://"),
                log_dir=self._log_dir,
            )
            for function, file in zip(self._functions, ended, strict=True)
        ]
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

    def _served(self, function: Function, ended: Path) -> OneServed:
        port = self.urls[function.target].rpartition(":")[2]
        return OneServed(
            arguments=["--source", str(self._source), "--target", function.target, "--host", HOST, "--port", port],
            environment=dict(self._environment(function)),
            log=str(self._log_dir / f"{function.target}.log"),
            ended=str(ended),
        )
