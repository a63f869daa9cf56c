"""Serves functions, each in a process that is forked from this one, which has imported what they import.

    SERVED='{"module": ..., "arguments": [...], "source": ..., "functions": [...]}' python -m local.warm_parent

A function imports for most of a second before it listens, and the stack has ten. Here this happens once. A child gets
its environment, its log and its arguments, as if it had been started alone: settings are read, and clients are made,
after the fork. Only what `main.py` imports is shared, and none of that looks at the environment or opens a connection.

This process ends with the last function. How each ended stands in a file beside its log.
"""

import ast
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import TypedDict

SERVED = "SERVED"


class OneServed(TypedDict):
    """One function: its arguments for the framework, all that it sees of the environment, and where it logs."""

    arguments: list[str]
    environment: dict[str, str]
    log: str
    ended: str  # the file that gets its exit code


class Served(TypedDict):
    """What to serve, and by which module (with its first arguments)."""

    module: str
    arguments: list[str]
    source: str  # a main.py
    functions: list[OneServed]


def main() -> None:
    """Fork the functions, and wait for all of them."""
    served: Served = json.loads(os.environ.pop(SERVED))
    _import_ahead(served["module"], Path(served["source"]))
    # What is shared is written to no more: neither counted nor moved by the children's collections.
    gc.collect()
    gc.freeze()
    # The leash ends the whole group. This process goes last, or the functions would have no time to end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    ended = {}
    for one in served["functions"]:
        pid = os.fork()
        if not pid:
            _serve(one, served["module"], served["arguments"])
            return
        ended[pid] = Path(one["ended"])
        print(f"{one['arguments']} is process {pid}", flush=True)
    while ended:
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        ended.pop(pid).write_text(str(code if code >= 0 else 128 - code))


def _import_ahead(module: str, source: Path) -> None:
    """Import the module, and whatever the source imports anywhere. What fails here fails in the function's log."""
    sys.path.insert(0, str(source.parent))
    names = [module]
    # A source that is no Python is reported by each function.
    with contextlib.suppress(SyntaxError, OSError):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # `from module import name` also names what is no module
        except Exception as trouble:  # noqa: BLE001 - the function that imports it says the same in its own log
            print(f"{name} was not imported ahead: {trouble!r}", flush=True)


def _serve(one: OneServed, module: str, arguments: list[str]) -> None:
    """In the child: become the function's process. Returns when the function has ended."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(one["environment"])
    log = os.open(one["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.argv = [module, *arguments, *one["arguments"]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
