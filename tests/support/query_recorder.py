"""Every query that is sent to Firestore, recorded at the channel, and which of the places that ask one were reached.

    places = QueryPlaces()
    with recorded() as queries:         # before the clients are built
        with places.watched():
            await world.tick()
    queries                             # what each needs of an index
    places.missed                       # FILE:LINE of the places that were not reached

A place is a line of the functions' code that puts a filter, an order or a sum to a query. Where they are, the bytecode
says: a new one is found without being listed anywhere. Whether one was reached, Python's tracing tells.
"""

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import grpc
from google.cloud.firestore_v1.types import RunAggregationQueryRequest, RunQueryRequest

import cli
import nightshift
from bench.channels import intercepted
from tests.support.index_rules import Needs, needs_of

# What a query's methods are called that change what it needs of an index, and the function that begins most queries.
_METHODS: Final = {"where", "order_by", "collection_group", "sum", "avg"}
_BUILDERS: Final = {"jobs_where"}
_SOURCES: Final = (Path(nightshift.__file__).parent, Path(cli.__file__).parent)


class _Recorder(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc ships no types
    def __init__(self) -> None:
        self.queries: set[Needs] = set()

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        if isinstance(request, RunQueryRequest | RunAggregationQueryRequest):
            self.queries.add(needs_of(request))
        return await continuation(details, request)


@contextmanager
def recorded() -> Iterator[set[Needs]]:
    """What the queries need that go over channels which are created inside."""
    recorder = _Recorder()
    with intercepted(recorder):
        yield recorder.queries


class QueryPlaces:
    """The lines of the functions and the operator's command at which queries are made, and which of them were run."""

    def __init__(self, *sources: Path) -> None:
        self._sources = sources or _SOURCES
        paths = (path for source in self._sources for path in source.rglob("*.py"))
        self._lines = {str(path): lines for path in paths if (lines := set(_query_lines(path)))}
        self._reached: set[tuple[str, int]] = set()

    @property
    def all(self) -> set[str]:
        """Every place, as FILE:LINE."""
        return {self._name(path, line) for path, lines in self._lines.items() for line in lines}

    @property
    def missed(self) -> set[str]:
        """The places that were not reached."""
        return self.all - {self._name(path, line) for path, line in self._reached}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch which places are reached, in this thread."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _arg: object) -> Any:
        return self._step if frame.f_code.co_filename in self._lines else None

    def _step(self, frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line" and frame.f_lineno in self._lines[frame.f_code.co_filename]:
            self._reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._step

    def _name(self, path: str, line: int) -> str:
        source = next(source for source in self._sources if Path(path).is_relative_to(source))
        return f"{Path(path).relative_to(source)}:{line}"


def _query_lines(path: Path) -> Iterator[int]:
    for code in _codes(compile(path.read_bytes(), str(path), "exec")):
        for step in dis.get_instructions(code):
            is_method = step.opname in {"LOAD_METHOD", "LOAD_ATTR"} and step.argval in _METHODS
            is_builder = step.opname == "LOAD_GLOBAL" and step.argval in _BUILDERS
            if (is_method or is_builder) and step.positions and step.positions.lineno:
                yield step.positions.lineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
