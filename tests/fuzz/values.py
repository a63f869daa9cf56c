"""Values of every type and size that JSON and Firestore can hold, and trees in which a few of them are out of place."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from google.cloud.firestore import AsyncClient, GeoPoint
from google.cloud.firestore_v1.vector import Vector
from hypothesis import strategies as st

# Where numbers change their nature: booleans, int32, what a double holds exactly, int64 and beyond.
BORDERS = [0, -1, 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, -(2**63)]
ODD_NUMBERS: st.SearchStrategy[Any] = st.sampled_from(
    [*BORDERS, -0.0, 1e308, float("nan"), float("inf"), float("-inf")]
)
# Within a name or a text: what ends lines, paths and strings, and what is not what it looks like.
ODD_TEXTS = st.sampled_from(
    ["", " ", "\x00", "\n", "a\u2028b", "\x85", "\ufeff", "é", "e\u0301", "🗑", "../..", "__x__", ".", '"}', "0", "null"]
)


class LongText(str):
    """A text that is shown by its length."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'x' * {len(self)}"


# 8,000 characters are allowed; a document holds 1 MiB.
LONG_TEXTS = st.sampled_from([8_000, 8_001, 100_000, 600_000]).map(lambda length: LongText("x" * length))
TEXTS = st.text(max_size=20) | ODD_TEXTS
_SCALARS: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | ODD_NUMBERS | TEXTS


def trees(leaves: st.SearchStrategy[Any], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Lists and maps of leaves, some levels deep."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


HALF_CHARACTERS = st.sampled_from(["\ud800", "a\udfff", "\udc80\ud83d"])
HUGE_NUMBERS = st.sampled_from([10**30, -(10**400), 2**64])
ANY_JSON = trees(_SCALARS | HALF_CHARACTERS | HUGE_NUMBERS, TEXTS)


def deep(levels: int) -> Any:
    """A list in a list in a list, deeper than a parser may be willing to go."""
    return "[" * levels + "]" * levels


def _firestore_leaves() -> st.SearchStrategy[Any]:
    times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - they get one
    points = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
    vectors = st.lists(st.floats(), min_size=1, max_size=3).map(Vector)
    references = st.builds(
        lambda project, path: _elsewhere(project).document(path),
        st.sampled_from(["elsewhere", "test"]),
        st.sampled_from(["a/b", "ai_jobs/old", "wallets/alice/ledger/one"]),
    )
    return _SCALARS | LONG_TEXTS | st.binary(max_size=20) | times | points | vectors | references


@cache
def _elsewhere(project: str) -> AsyncClient:
    return AsyncClient(project=project)


# Names beginning and ending with two underscores are Firestore's own; it stores no empty ones.
FIELD_NAMES = (st.text(min_size=1, max_size=10) | ODD_TEXTS).filter(lambda name: name and not name.startswith("__"))
ANY_FIRESTORE = trees(_firestore_leaves(), FIELD_NAMES)


@st.composite
def mutated(draw: st.DrawFn, tree: Any, junk: st.SearchStrategy[Any], most: int = 3) -> Any:
    """The tree with up to `most` of its values replaced by junk, left out, or put into a list."""
    for _ in range(draw(st.integers(0, most))):
        paths = list(_paths(tree))
        path = draw(st.sampled_from(paths)) if paths else ()
        kind = draw(st.sampled_from(["replaced", "replaced", "left out", "put into a list"]))
        new = draw(junk) if kind == "replaced" else None
        tree = _changed(tree, path, partial(_CHANGES[kind], new))
    return tree


_GONE = object()
_CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "replaced": lambda new, _: new,
    "left out": lambda _new, _old: _GONE,
    "put into a list": lambda _, old: [old],
}


def _paths(tree: Any) -> Iterator[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, child in inner:
        yield (name,)
        yield from ((name, *rest) for rest in _paths(child))


def _changed(tree: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """A copy of the tree in which the value at the path is changed."""
    if not path:
        return tree
    copy = tree.copy()
    first, *rest = path
    new = _changed(tree[first], tuple(rest), change) if rest else change(tree[first])
    if new is _GONE:
        del copy[first]
    else:
        copy[first] = new
    return copy


def up_to(most: int, each: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Lists of one to `most`, each length as likely as any other: what a list draws by itself is mostly short."""
    return st.integers(1, most).flatmap(lambda length: st.lists(each, min_size=length, max_size=length))
