"""docs/openapi.yaml is made of the route table; docs/API.md finds each older name its route and its test."""

import re
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from local.openapi import PAGE, document, page
from local.part import ROOT
from nightshift.api.route import BASE, ApiRoute
from nightshift.api.routes import ROUTES

API_PAGE = (ROOT / "docs" / "API.md").read_text()
MODELS: set[type[BaseModel]] = {model for row in ROUTES for model in (row.body, row.answer) if model is not None}
IN_ORDER = sorted(MODELS, key=lambda model: model.__name__)
OLDER_NAMES = (
    *("getBatchStats", "processBatchJobs", "SHOOT_PROGRESS", "/batch-enhance-items", "/get-batch-status"),
    *("/api/batch/process", "/api/batch/status/:jobId", "/api/batch/results/:jobId", "/api/batch/cancel/:jobId"),
    *("/batch/queue", "/batch/queue/bulk", "/batch/queue/status", "/batch/process", "/batch/process/all"),
    *("/batch/status/{id}", "/batch/results/{id}", "/batch/active", "/batch/metrics", "/batch/dashboard"),
    *("/batch/savings", "/batch/report", "/batch/alerts", "/batch/scheduler/start", "/batch/scheduler/stop"),
    *("/batch/health", "/batch/integrate/creative-scoring", "/batch/integrate/embeddings"),
    *("/api/batch-jobs/create", "/api/dm-creative/batch", "/api/batch-jobs/[id]", "…/progress", "/download"),
    *("/api/database/migrate-batch", "/batch-jobs/[id]"),
)
# `GET /batches?open=true`, a route in a cell.
_NAMED = re.compile(r"`(GET|POST|PUT|DELETE) (/[^`?]*)(?:\?[^`]*)?`")


def served() -> set[tuple[str, str]]:
    """Every method and path that is served, below the base."""
    return {(row.method, path) for row in ROUTES for path in (row.path, *row.aliases)}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = API_PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_page_is_that_of_the_route_table() -> None:
    """`make openapi` writes it, when a route was added."""
    assert PAGE.read_text() == page(), "run make openapi"


def test_every_route_is_served_once_and_described() -> None:
    """One row a method and path; each handler says what it does; each operation has a name of its own."""
    every = [(row.method, path) for row in ROUTES for path in (row.path, *row.aliases)]
    assert len(every) == len(set(every))
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    assert len(operations) == len(every)
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


@pytest.mark.parametrize("model", IN_ORDER, ids=[model.__name__ for model in IN_ORDER])
def test_every_body_and_answer_has_an_example_that_is_one(model: type[BaseModel]) -> None:
    """The model takes it, and its schema allows it, as the page shows both."""
    mode: Any = "validation" if any(row.body is model for row in ROUTES) else "serialization"
    schema = model.model_json_schema(mode=mode)
    (example,) = schema["examples"]

    jsonschema.validate(example, schema, format_checker=jsonschema.FormatChecker())
    model.model_validate(example)


def test_the_table_of_routes_has_each_route_and_no_other() -> None:
    """docs/API.md says who may call it, as the code does."""
    told = {(method, path): cells[1] for cells in rows("Routes") for method, path in _NAMED.findall(cells[0])}
    own = {(row.method, row.path): row.who for row in ROUTES if not row.path.startswith("/batch/")}
    assert told == own


def test_each_name_of_an_older_system_finds_its_route_and_a_test() -> None:
    """The route is served under the new name, and where there is an alias, under the old one; the test is there."""
    written = {
        name
        for path in (ROOT / "tests").glob("**/test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    older = rows("Names of older systems")
    assert len(older) >= 15
    for name, route, test in older:
        named = _NAMED.findall(route)
        assert named or "`getBatchStats`" in route or "listener" in route or "dashboard" in route, name
        assert set(named) <= served(), name
        alias = re.match(r"`(GET|POST) (/batch/[^`]*)`", name)
        assert alias is None or "alias" not in route or (alias[1], alias[2]) in served(), name
        assert set(re.findall(r"`(test_\w+)`", test)) <= written, name
        assert re.search(r"`test_\w+`", test), name


def test_the_table_has_each_name_that_the_older_systems_used() -> None:
    """Their users look for these names."""
    older = " ".join(cells[0] for cells in rows("Names of older systems"))
    assert [name for name in OLDER_NAMES if name not in older] == []


def test_a_route_names_no_more_than_one_of_a_kind() -> None:
    """An alias lies below /batch/, where no route of ours does, so none is taken for another."""
    for row in ROUTES:
        assert isinstance(row, ApiRoute)
        assert all(alias.startswith("/batch/") for alias in row.aliases)
        assert not row.path.startswith(BASE)
