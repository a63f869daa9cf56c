"""docs/openapi.yaml, made of the API's route table: `make openapi` writes it, and a test finds one that is not new.

The table says method, path, caller, statuses; the models of bodies and answers say the rest, with their examples. So
the page cannot promise what the code does not do.
"""

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from nightshift.api.route import BASE, ApiRoute
from nightshift.api.routes import ROUTES
from nightshift.api.shapes.common import ErrorAnswer

PAGE: Final = Path(__file__).parents[1] / "docs" / "openapi.yaml"
_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"

# What any route may answer, by its status.
_ERRORS: Final = {
    400: "The query, the body or a header is not valid; `details` says where.",
    401: "There is no valid Firebase ID token; or no valid App Check token, where the project asks for one.",
    403: "The custom claim `admin` is missing.",
    408: "The body took longer than ten seconds.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    429: "The caller asks too often; `Retry-After` says for how many seconds to wait.",
    431: "The headers have more than 16 KiB.",
    500: "A bug; the log has it under the request's id.",
    503: "The database, or Firebase Auth, does not answer now; try again.",
}
_INTRODUCTION: Final = """\
The REST API of Nightshift. Times are UTC. Lists take `pageSize` and `pageToken`. A route that creates takes
`Idempotency-Key`: the same key and body give the same answer, another body 409. A route that is polled has an `ETag`.
Every error has one form. docs/API.md is the page about it."""


def page() -> str:
    """The page as YAML."""
    head = "# Made by `make openapi` of the route table in functions/nightshift/api/routes: do not edit.\n"
    return head + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


def document() -> dict[str, Any]:
    """The page: https://spec.openapis.org/oas/v3.1.0."""
    names, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for row in ROUTES:
        for path in (row.path, *row.aliases):
            operations = paths.setdefault(f"{BASE}{path}", {})
            operations[row.method.lower()] = _operation(row, path, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nightshift", "version": "1", "description": _INTRODUCTION, "license": _LICENSE},
        "servers": [
            {
                "url": "https://{region}-{project}.cloudfunctions.net/api",
                "variables": {"region": {"default": "asia-south1"}, "project": {"default": "my-project"}},
            }
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {f"Error{status}": _error(status, meaning) for status, meaning in _ERRORS.items()},
            "securitySchemes": {
                "firebase": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An ID token."},
                "appCheck": {"type": "apiKey", "in": "header", "name": "X-Firebase-AppCheck"},
            },
        },
    }


_LICENSE: Final = {"name": "See LICENSE", "identifier": "LicenseRef-LICENSE"}


class _Plain(yaml.SafeDumper):
    """Without anchors: each thing is written out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Names = Mapping[tuple[type[BaseModel], JsonSchemaMode], str]


def _schemas() -> tuple[Names, dict[str, Any]]:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorAnswer, "serialization"): None}
    for row in ROUTES:
        models |= {(row.body, "validation"): None} if row.body else {}
        models |= {(row.answer, "serialization"): None} if row.answer else {}
    refs, schema = models_json_schema(list(models), ref_template=_REF)
    names = {key: found["$ref"].rpartition("/")[2] for key, found in refs.items()}
    return names, dict(sorted(schema["$defs"].items()))  # type: ignore[return-value]


def _operation(row: ApiRoute, path: str, names: Names) -> dict[str, Any]:
    summary, _, more = (inspect.getdoc(getattr(row.handler, "func", row.handler)) or "").partition(". ")
    described = {"description": " ".join(more.split())} if more.strip() else {}
    return {
        "operationId": _operation_id(row.method, path),
        "tags": [row.path.split("/")[1]],
        "summary": " ".join(summary.split()).rstrip("."),
        **described,
        **({"deprecated": True} if path.startswith("/batch/") else {}),
        "security": _security(row),
        **({"parameters": parameters} if (parameters := _parameters(row, path)) else {}),
        **_request_body(row, names),
        "responses": _responses(row, names),
    }


def _operation_id(method: str, path: str) -> str:
    words = [word for word in re.split(r"[^a-z0-9]+", path.lower()) if word]
    return method.lower() + "".join(word.title() for word in words)


def _security(row: ApiRoute) -> list[dict[str, list[str]]]:
    return [{}, {"firebase": []}] if row.who == "public" else [{"firebase": []}]


def _parameters(row: ApiRoute, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    if row.query:
        schema = row.query.model_json_schema(ref_template=_REF)
        required = schema.get("required", [])
        for name, described in schema["properties"].items():
            about = {key: value for key, value in described.items() if key not in {"title", "description"}}
            told = {"description": described["description"]} if "description" in described else {}
            found.append(
                {"name": name, "in": "query", "required": name in required, **told, "schema": _without_null(about)}
            )
    if row.creates:
        key = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    if row.is_polled:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return {**choices[0], **rest}


def _request_body(row: ApiRoute, names: Names) -> dict[str, Any]:
    if row.body is None:
        return {}
    return {"requestBody": {"required": True, "content": {_JSON: _content(row.body, "validation", names)}}}


def _responses(row: ApiRoute, names: Names) -> dict[str, Any]:
    meaning = inspect.getdoc(row.answer) if row.answer else "Done."
    answer: dict[str, Any] = {"description": " ".join((meaning or "").split())}
    if row.answer:
        answer["content"] = {row.media_type: _content(row.answer, "serialization", names)}
    elif row.media_type != _JSON:
        answer["content"] = {row.media_type: {"schema": {"type": "string"}}}
    for media_type in row.other_media_types:
        answer.setdefault("content", {})[media_type] = {"schema": {"type": "string"}}
    if row.is_polled:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {str(row.status): answer}
    if row.is_polled:
        responses["304"] = {"description": "It is as the given `ETag` has it."}
    responses |= {
        str(status): {"$ref": f"#/components/responses/Error{status}"}
        for status in _ERRORS
        if status not in row.errors and (status != 403 or row.who != "user")
    }
    responses |= {str(status): _error(status, meaning) for status, meaning in row.errors.items()}
    return dict(sorted(responses.items()))


def _content(model: type[BaseModel], mode: JsonSchemaMode, names: Names) -> dict[str, Any]:
    examples = model.model_json_schema(mode=mode).get("examples", [])
    example = {"example": examples[0]} if examples else {}
    return {"schema": {"$ref": _REF.format(model=names[(model, mode)])}, **example}


def _error(status: int, meaning: str) -> dict[str, Any]:
    retry_after = {"headers": {"Retry-After": {"schema": {"type": "string"}}}} if status in {429, 503} else {}
    return {
        "description": meaning,
        **retry_after,
        "content": {_JSON: {"schema": {"$ref": _REF.format(model=ErrorAnswer.__name__)}}},
    }


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} has {len(ROUTES)} routes.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
