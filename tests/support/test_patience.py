"""No test depends on how fast the machine is: none bounds a wait, or the time that passed, by a number of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_WAITS = ("asyncio.timeout", "asyncio.wait_for")
_CLIENTS = ("httpx.AsyncClient", "httpx.Client")
_NAMES = {called.rpartition(".")[2] for called in (*_WAITS, *_CLIENTS)}
_CLOCKS = ("time.monotonic()", "time.perf_counter()", "loop.time()", "loop().time()")


def hasty(source: str) -> Iterator[str]:
    """What in this source fails on a slow machine alone, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NAMES:
            limits = {word.arg: word.value for word in node.keywords}
            called = ast.unparse(node.func)
            has_number = any(isinstance(limit, ast.Constant) for limit in (*node.args, limits.get("timeout")))
            # Its own patience is five seconds.
            is_default = called in _CLIENTS and "timeout" not in limits and None not in limits
            if (called in (*_WAITS, *_CLIENTS) and has_number) or is_default:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Compare) and _bounds_passed_time(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _bounds_passed_time(compared: ast.Compare) -> bool:
    if not any(isinstance(part, ast.Sub) for part in ast.walk(compared)):
        return False
    sides = [ast.unparse(side) for side in (compared.left, *compared.comparators)]
    passed = [" - " in side and any(clock in side for clock in _CLOCKS) for side in sides]
    return any(
        passed[place if isinstance(operator, ast.Lt | ast.LtE) else place + 1]
        for place, operator in enumerate(compared.ops)
        if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE)
    )


def test_no_test_is_hasty() -> None:
    """A wait for a state takes `patience()` or `PATIENCE_SECONDS`; passed time is compared with its least alone."""
    paths = [path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts and path.name != "patience.py"]
    found = [f"{path.relative_to(TESTS)}, {one}" for path in paths for one in hasty(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "async with asyncio.timeout(5): pass",
        "asyncio.wait_for(coming, 5)",
        "asyncio.wait_for(coming, timeout=0.5)",
        "httpx.AsyncClient(trust_env=False)",
        "httpx.AsyncClient(timeout=60)",
        "assert time.monotonic() - began_at < 2",
        "assert 2 > time.perf_counter() - began_at",
        "assert 1 < loop.time() - began_at <= 2",
    ],
)
def test_haste_is_found(source: str) -> None:
    """So the test above can fail."""
    assert len(list(hasty(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "async with patience(): pass",
        "asyncio.wait_for(coming, PATIENCE_SECONDS)",
        "httpx.AsyncClient(timeout=PATIENCE_SECONDS)",
        "assert time.monotonic() - began_at >= 2",
        "assert process.time() < 3",
    ],
)
def test_patience_is_not_haste(source: str) -> None:
    """What ends with the state it waits for is left alone."""
    assert not list(hasty(source))
