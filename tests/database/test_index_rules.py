"""Each rule of which index a query needs, by itself: the queries are the client library's own, the indexes made up."""

from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import And, AsyncClient, FieldFilter, Or, Query
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.types import RunAggregationQueryRequest, RunQueryRequest
from google.cloud.firestore_v1.vector import Vector

from tests.support.index_rules import Indexes, Needs, needs_of

NOTHING: dict[str, Any] = {"indexes": [], "fieldOverrides": []}


def where(query: Any, *filters: tuple[str, str, Any]) -> Any:
    """The query with these filters."""
    for field, op, wanted in filters:
        query = query.where(filter=FieldFilter(field, op, wanted))
    return query


@pytest.fixture
def cities() -> Any:
    """A collection to build queries on; no query is sent."""
    return AsyncClient(project="p", credentials=AnonymousCredentials()).collection("cities")


def needs(query: Any) -> Needs:
    """What a query asks of an index."""
    if hasattr(query, "_aggregations"):
        return needs_of(RunAggregationQueryRequest(structured_aggregation_query=query._to_protobuf()))
    asked = query.limit(1)._to_protobuf() if hasattr(query, "limit") else query._to_protobuf()
    return needs_of(RunQueryRequest(structured_query=asked))


def composite(*fields: str, collection: str = "cities", scope: str = "COLLECTION") -> dict[str, Any]:
    """An entry of `indexes`; a field that begins with - is descending, with @ one of an array's."""
    return {"collectionGroup": collection, "queryScope": scope, "fields": [_field(name) for name in fields]}


def override(field: str, *modes: str) -> dict[str, Any]:
    """An entry of `fieldOverrides`, which leaves the field these indexes: +, - and @."""
    left = [{"queryScope": "COLLECTION", **_field(mode.replace("+", ""))} for mode in modes]
    for index in left:
        del index["fieldPath"]
    return {"collectionGroup": "cities", "fieldPath": field, "indexes": left}


def has(query: Any, *indexes: dict[str, Any], overrides: tuple[dict[str, Any], ...] = ()) -> bool:
    """Whether a project with these indexes answers the query."""
    return Indexes.read({"indexes": list(indexes), "fieldOverrides": list(overrides)}).answer(needs(query))


def _field(name: str) -> dict[str, str]:
    path = name.lstrip("-@")
    if name.startswith("@"):
        return {"fieldPath": path, "arrayConfig": "CONTAINS"}
    return {"fieldPath": path, "order": "DESCENDING" if name.startswith("-") else "ASCENDING"}


def test_all_documents_in_the_order_of_their_names_need_no_index(cities: Any) -> None:
    """As an audit reads them; in the other order the index is missing."""
    assert has(cities)
    assert has(cities.order_by("__name__").limit(3))
    assert has(cities.count())
    assert not has(cities.order_by("__name__", direction=Query.DESCENDING))


@pytest.mark.parametrize("op", ["==", "<", "<=", ">", ">=", "!=", "in", "not-in"])
def test_a_filter_on_one_field_has_its_automatic_index(cities: Any, op: str) -> None:
    """Unless the field is exempt."""
    query = where(cities, ("size", op, [1] if "in" in op else 1))

    assert has(query)
    assert not has(query, overrides=(override("size"),))


@pytest.mark.parametrize("op", ["array_contains", "array_contains_any"])
def test_a_filter_on_an_array_has_its_automatic_index(cities: Any, op: str) -> None:
    """The one of what an array contains, and no other."""
    query = where(cities, ("tags", op, ["a"]))

    assert has(query)
    assert has(query, overrides=(override("tags", "@"),))
    assert not has(query, overrides=(override("tags", "+", "-"),))


@pytest.mark.parametrize(("direction", "mode"), [(Query.ASCENDING, "+"), (Query.DESCENDING, "-")])
def test_an_order_by_one_field_has_its_automatic_index_in_each_direction(
    cities: Any, direction: str, mode: str
) -> None:
    """An override that leaves one leaves that one alone."""
    query = cities.order_by("size", direction=direction)
    other = {"+": "-", "-": "+"}[mode]

    assert has(query)
    assert has(query, overrides=(override("size", mode),))
    assert not has(query, overrides=(override("size", other),))


def test_an_override_of_another_collection_does_not_count(cities: Any) -> None:
    """Collections that happen to have a field of the same name."""
    elsewhere = override("size") | {"collectionGroup": "towns"}

    assert has(where(cities, ("size", "==", 1)), overrides=(elsewhere,))


def test_an_exempt_map_exempts_what_is_in_it(cities: Any) -> None:
    """Unless what is in it has an override of its own."""
    query = where(cities, ("usage.tokens", "==", 1))

    assert not has(query, overrides=(override("usage"),))
    assert has(query, overrides=(override("usage"), override("usage.tokens", "+")))


def test_a_policy_for_deletion_alone_leaves_a_fields_indexes(cities: Any) -> None:
    """`ttl` without `indexes` is no exemption."""
    ttl = {"collectionGroup": "cities", "fieldPath": "expireAt", "ttl": True}

    assert has(where(cities, ("expireAt", "<", 1)), overrides=(ttl,))


def test_equalities_are_merged_from_the_automatic_indexes(cities: Any) -> None:
    """One exempt field, and there is nothing to merge."""
    query = where(cities, ("state", "==", "CA"), ("size", "in", [1, 2]), ("kind", "==", 1))

    assert has(query)
    assert has(query.count())
    assert not has(query, overrides=(override("size"),))
    assert has(query, composite("size", "kind"), overrides=(override("size"),))


def test_an_equality_and_an_order_need_a_composite_index(cities: Any) -> None:
    """The equality first, the order last, in its direction."""
    query = where(cities, ("state", "==", "CA")).order_by("size", direction=Query.DESCENDING)

    assert not has(query)
    assert has(query, composite("state", "-size"))
    assert has(query, composite("-state", "-size")), "which way one value is sorted is all the same"
    assert not has(query, composite("state", "size"))
    assert not has(query, composite("-size", "state"))
    assert not has(query, composite("state", "-size", "name"))
    assert not has(query, composite("state", "-size", collection="towns"))


def test_an_inequality_is_an_order(cities: Any) -> None:
    """With an equality beside it, it needs a composite index."""
    query = where(cities, ("state", "==", "CA"), ("size", ">", 1))

    assert not has(query)
    assert has(query, composite("state", "size"))
    assert needs(query) == needs(query.order_by("size"))


def test_inequalities_that_no_order_names_come_after_it_by_name(cities: Any) -> None:
    """In the direction of the last order."""
    query = where(cities, ("b", ">", 1), ("a", "<", 1)).order_by("c", direction=Query.DESCENDING)

    assert needs(query).order == (("c", "DESCENDING"), ("a", "DESCENDING"), ("b", "DESCENDING"))
    assert has(query, composite("-c", "-a", "-b"))
    assert not has(query, composite("-c", "-b", "-a"))


def test_several_orders_need_all_their_fields_in_their_order(cities: Any) -> None:
    """A longer or shorter index does not do."""
    query = where(cities, ("state", "==", "CA"), ("lane", "==", 1)).order_by("size", direction=Query.DESCENDING)
    query = query.order_by("age")

    assert has(query, composite("state", "lane", "-size", "age"))
    assert has(query, composite("lane", "state", "-size", "age"))
    assert not has(query, composite("state", "lane", "age", "-size"))
    assert not has(query, composite("state", "lane", "-size"))
    assert not has(query, composite("state", "-size", "age"))


def test_indexes_that_end_alike_are_merged(cities: Any) -> None:
    """As the documentation's restaurants: by category and by city, each with the stars last."""
    query = where(cities, ("category", "==", 1), ("city", "==", 1)).order_by("stars")

    assert has(query, composite("category", "stars"), composite("city", "stars"))
    assert not has(query, composite("category", "stars"))
    assert not has(query, composite("category", "stars"), composite("city", "-stars"))
    assert not has(query, composite("category", "stars"), composite("city"))


def test_an_order_by_what_has_one_value_needs_no_index(cities: Any) -> None:
    """Sorting by a field that an equality fixes needs nothing; by one that `in` chooses from, it does."""
    assert has(where(cities, ("size", "==", 1), ("state", "==", 1)).order_by("size"))
    assert not has(where(cities, ("size", "in", [1, 2]), ("state", "==", 1)).order_by("size"))


def test_ties_are_sorted_by_name_in_the_direction_of_the_last_order(cities: Any) -> None:
    """The other direction is another index: of a single field there are both."""
    query = where(cities, ("state", "==", "CA"))
    backwards = query.order_by("__name__", direction=Query.DESCENDING)

    assert has(query.order_by("__name__"))
    assert has(backwards)
    assert not has(backwards, overrides=(override("state", "+"),))
    assert has(query.order_by("size").order_by("__name__"), composite("state", "size"))
    assert not has(query.order_by("size").order_by("__name__", direction="DESCENDING"), composite("state", "size"))


@pytest.mark.parametrize("kind", ["sum", "avg"])
def test_what_is_summed_is_in_the_index(cities: Any, kind: str) -> None:
    """Alone it has its automatic index; beside an equality it comes last."""
    everything = getattr(cities, kind)("size")
    some = getattr(where(cities, ("state", "==", "CA")), kind)("size")

    assert has(everything)
    assert not has(everything, overrides=(override("size"),))
    assert not has(some)
    assert has(some, composite("state", "size"))
    assert has(getattr(where(cities, ("size", "==", 1)), kind)("size")), "what is fixed is in the index already"


def test_a_count_needs_what_its_query_needs(cities: Any) -> None:
    """No more and no less."""
    query = where(cities, ("state", "==", "CA"), ("size", ">", 1))

    assert needs(query.count()) == needs(query)


def test_whether_a_field_is_null_is_an_equality_and_whether_not_an_inequality(cities: Any) -> None:
    """The library sends them as filters of their own kind."""
    assert needs(where(cities, ("size", "==", None))).fixed == {"size"}
    assert needs(where(cities, ("size", "!=", None))).order == (("size", "ASCENDING"),)


def test_an_and_is_its_parts(cities: Any) -> None:
    """However deep they lie."""
    deep = And([FieldFilter("a", "==", 1), And([FieldFilter("b", "==", 1), FieldFilter("c", "array_contains", 1)])])

    assert needs(cities.where(filter=deep)) == Needs(
        collection="cities", fixed=frozenset({"a", "b"}), contained=frozenset({"c"})
    )


def test_an_array_beside_an_order_needs_a_composite_index(cities: Any) -> None:
    """With the array's mode on the array."""
    query = where(cities, ("tags", "array_contains", 1)).order_by("size")

    assert has(query, composite("@tags", "size"))
    assert not has(query, composite("tags", "size"))


def test_a_collection_group_has_no_automatic_indexes() -> None:
    """Those are each collection's own."""
    client = AsyncClient(project="p", credentials=AnonymousCredentials())
    query = where(client.collection_group("cities"), ("state", "==", 1), ("size", "==", 1))

    assert not has(query)
    assert not has(query, composite("state", "size"))
    assert has(query, composite("state", "size", scope="COLLECTION_GROUP"))


def test_only_one_index_answers_by_itself(cities: Any) -> None:
    """What is merged answers, but no index of it does."""
    query = needs(where(cities, ("a", "==", 1), ("b", "==", 1)))
    indexes = Indexes.read(NOTHING | {"indexes": [composite("b", "-a"), composite("b", "a"), composite("a")]})

    assert [index.answers(query) for index in indexes.composite] == [False, True, False]


def test_what_no_rule_is_about_is_an_error(cities: Any) -> None:
    """A new kind of query asks for a new rule."""
    either = Or([FieldFilter("a", "==", 1), FieldFilter("b", "==", 1)])
    near = cities.find_nearest("v", Vector([1.0]), limit=3, distance_measure=DistanceMeasure.EUCLIDEAN)
    named = where(cities, ("__name__", ">", cities.document("x")))

    for query, told in ((cities.where(filter=either), "OR"), (near, "vectors"), (named, "name")):
        with pytest.raises(LookupError, match=told):
            needs(query)
