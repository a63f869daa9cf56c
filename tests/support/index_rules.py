"""Which index a Firestore query needs, and whether a project has it: the published rules, as functions without I/O.

The emulator has no indexes and answers every query, so nothing else tells before production does. From
https://firebase.google.com/docs/firestore/query-data/index-overview:

- Every query is answered from indexes alone; without the ones it needs it fails.
- Each field has three automatic indexes of its own, ascending, descending, and of what an array contains, in the scope
  of a collection, unless an override of the field, or of a map that it is in, says otherwise.
- An index answers a query whose equalities are on its first fields, in any order and direction, and which sorts by all
  its other fields, in its order and directions. What ties is sorted by the document's name, in the direction of the
  last field.
- A range or inequality sorts by its field: first by what `order by` names, then by the others' names.
- Indexes that end alike are merged: together they answer a query whose equalities are on all their first fields.
- `sum` and `average` read their field from the index, after what the query sorts by.

What the documentation does not promise, as reading an index backwards, is not counted on; what none of our queries
does, as OR, raises a LookupError: then a rule is missing here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.cloud.firestore_v1.types import RunAggregationQueryRequest, RunQueryRequest, StructuredQuery

ASCENDING: Final = "ASCENDING"
DESCENDING: Final = "DESCENDING"
CONTAINS: Final = "CONTAINS"
COLLECTION: Final = "COLLECTION"
COLLECTION_GROUP: Final = "COLLECTION_GROUP"
_NAME: Final = "__name__"

_Op = StructuredQuery.FieldFilter.Operator
_Unary = StructuredQuery.UnaryFilter.Operator
_ARRAY: Final = {_Op.ARRAY_CONTAINS, _Op.ARRAY_CONTAINS_ANY}
_UNEQUAL: Final = {
    _Op.LESS_THAN,
    _Op.LESS_THAN_OR_EQUAL,
    _Op.GREATER_THAN,
    _Op.GREATER_THAN_OR_EQUAL,
    _Op.NOT_EQUAL,
    _Op.NOT_IN,
}

# A field's path, and ASCENDING, DESCENDING or CONTAINS.
Mode = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a query asks of an index: fields with one value each (or one of an array's), then an order."""

    collection: str
    scope: str = COLLECTION
    fixed: frozenset[str] = frozenset()
    contained: frozenset[str] = frozenset()
    order: tuple[Mode, ...] = ()
    by_name: str = ASCENDING

    def __str__(self) -> str:
        filters = [*(f"{field} ==" for field in sorted(self.fixed)), *(f"{f} contains" for f in sorted(self.contained))]
        order = [f"{field} {direction.lower()}" for field, direction in self.order]
        return f"{self.collection}: where {', '.join(filters) or 'all'}; order by {', '.join(order) or 'name'}"


@dataclass(frozen=True, kw_only=True)
class Index:
    """One index of a collection: automatic, or an entry of `indexes` in firestore.indexes.json."""

    collection: str
    scope: str
    fields: tuple[Mode, ...]

    def covers(self, needs: Needs) -> frozenset[str] | None:
        """The filtered fields of a query that this index looks up; None if it is no part of an answer."""
        if (self.collection, self.scope) != (needs.collection, needs.scope):
            return None
        looked_up = self.fields[: len(self.fields) - len(needs.order)]
        if self.fields[len(looked_up) :] != needs.order or self._by_name != needs.by_name:
            return None
        fits = all(field in (needs.contained if mode == CONTAINS else needs.fixed) for field, mode in looked_up)
        return frozenset(field for field, _ in looked_up) if fits else None

    def answers(self, needs: Needs) -> bool:
        """Whether it answers the query by itself."""
        return self.covers(needs) == needs.fixed | needs.contained

    @property
    def _by_name(self) -> str:
        direction = self.fields[-1][1]
        return ASCENDING if direction == CONTAINS else direction


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """All indexes of a project, as firestore.indexes.json declares them."""

    composite: tuple[Index, ...]
    # By collection and field: the indexes that an override leaves to the field, as scope and mode.
    overrides: Mapping[tuple[str, str], frozenset[tuple[str, str]]]

    @classmethod
    def read(cls, declared: Mapping[str, Any]) -> "Indexes":
        """From the content of firestore.indexes.json, without the indexes of vectors."""
        composite = tuple(
            Index(
                collection=entry["collectionGroup"],
                scope=entry["queryScope"],
                fields=tuple((field["fieldPath"], _mode(field)) for field in entry["fields"]),
            )
            for entry in declared["indexes"]
            if not any("vectorConfig" in field for field in entry["fields"])
        )
        overrides = {
            (entry["collectionGroup"], entry["fieldPath"]): frozenset(
                (index.get("queryScope", COLLECTION), _mode(index)) for index in entry["indexes"]
            )
            for entry in declared["fieldOverrides"]
            if "indexes" in entry
        }
        return cls(composite=composite, overrides=overrides)

    def answer(self, needs: Needs) -> bool:
        """Whether the query has the indexes that it needs."""
        wanted = needs.fixed | needs.contained
        if not wanted and not needs.order:
            # The documents themselves lie in the order of their names.
            return needs.scope == COLLECTION and needs.by_name == ASCENDING
        found = [part for index in self._of(needs) if (part := index.covers(needs)) is not None]
        return bool(found) and frozenset[str]().union(*found) == wanted

    def _of(self, needs: Needs) -> Iterator[Index]:
        yield from self.composite
        for field in {*needs.fixed, *needs.contained, *(field for field, _ in needs.order)}:
            for scope, mode in self._single(needs.collection, field):
                yield Index(collection=needs.collection, scope=scope, fields=((field, mode),))

    def _single(self, collection: str, field: str) -> frozenset[tuple[str, str]]:
        """The indexes of one field: as an override of it says, else one of the map that it is in."""
        path = field
        while path:
            if (collection, path) in self.overrides:
                return self.overrides[collection, path]
            path = path.rpartition(".")[0]
        return frozenset((COLLECTION, mode) for mode in (ASCENDING, DESCENDING, CONTAINS))


def needs_of(request: RunQueryRequest | RunAggregationQueryRequest) -> Needs:
    """What a request asks of an index. Raises LookupError for what no rule here is about."""
    if isinstance(request, RunAggregationQueryRequest):
        aggregation = request.structured_aggregation_query
        summed = [_summed(one) for one in aggregation.aggregations]
        return _needs(aggregation.structured_query, {field for field in summed if field})
    return _needs(request.structured_query, set())


def _needs(query: StructuredQuery, summed: set[str]) -> Needs:
    (source,) = query.from_
    if query.find_nearest:
        raise LookupError("how a search of vectors is indexed")
    equal, chosen, contained, unequal = set[str](), set[str](), set[str](), set[str]()
    for field, kind in _filters(query.where):
        {_Op.EQUAL: equal, _Op.IN: chosen, _Op.ARRAY_CONTAINS: contained, _Op.NOT_EQUAL: unequal}[kind].add(field)
    asked = [(order.field.field_path, order.direction.name) for order in query.order_by]
    last = asked[-1][1] if asked else ASCENDING
    # What has one value sorts nothing.
    order = [(field, direction) for field, direction in asked if field not in {_NAME, *equal}]
    for fields, direction in ((unequal, last), (summed, ASCENDING)):
        named = {field for field, _ in order} | equal
        order += [(field, direction) for field in sorted(fields - named)]
    names = [direction for field, direction in asked if field == _NAME]
    return Needs(
        collection=source.collection_id,
        scope=COLLECTION_GROUP if source.all_descendants else COLLECTION,
        fixed=frozenset(equal | (chosen - {field for field, _ in order})),
        contained=frozenset(contained),
        order=tuple(order),
        by_name=names[0] if names else order[-1][1] if order else last,
    )


def _filters(where: StructuredQuery.Filter) -> Iterable[tuple[str, Any]]:
    """Each filtered field, and EQUAL, IN, ARRAY_CONTAINS or NOT_EQUAL for its kind."""
    if "composite_filter" in where:
        if where.composite_filter.op != StructuredQuery.CompositeFilter.Operator.AND:
            raise LookupError("how OR is indexed")
        for part in where.composite_filter.filters:
            yield from _filters(part)
    elif "unary_filter" in where:
        is_equality = where.unary_filter.op in {_Unary.IS_NULL, _Unary.IS_NAN}
        yield where.unary_filter.field.field_path, _Op.EQUAL if is_equality else _Op.NOT_EQUAL
    elif "field_filter" in where:
        field, op = where.field_filter.field.field_path, where.field_filter.op
        if field == _NAME:
            raise LookupError("how a filter on the document's name is indexed")
        yield field, _Op.NOT_EQUAL if op in _UNEQUAL else _Op.ARRAY_CONTAINS if op in _ARRAY else op


def _summed(aggregation: Any) -> str | None:
    """The field that an aggregation reads; None = it only counts."""
    for kind in ("sum", "avg"):
        if kind in aggregation:
            return str(getattr(aggregation, kind).field.field_path)
    return None


def _mode(field: Mapping[str, str]) -> str:
    return field["order"] if "order" in field else field["arrayConfig"]
