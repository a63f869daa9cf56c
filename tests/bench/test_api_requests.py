"""The API's bench asks each route."""

import re

from bench.api_requests import REQUESTS
from nightshift.api.routes import ROUTES


def test_the_bench_asks_each_route() -> None:
    """A new route is measured, too; each request is one of a route."""
    asked = {(request.method, request.path.partition("?")[0]) for request in REQUESTS}
    routes = {row.name: (row.method, re.compile(re.sub(r"{\w+}", "[^/]+", row.path))) for row in ROUTES}
    found = {
        name: {(of, path) for of, path in asked if of == method and pattern.fullmatch(path)}
        for name, (method, pattern) in routes.items()
    }

    assert [name for name, requests in found.items() if not requests] == []
    assert asked == set().union(*found.values())
