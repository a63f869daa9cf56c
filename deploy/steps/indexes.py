"""The indexes, the fields that have none, and the TTL policies of firestore.indexes.json."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from deploy import firebase
from deploy.change import Change, same
from deploy.deployment import Deployment

_DATABASE: Final = "--database=(default)"
# What an index is, apart from its name and state.
_Index = tuple[str, str, tuple[tuple[str, str], ...]]


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create what is missing, and wait until every index is built. What the file does not name stays."""
    cloud = deployment.cloud
    declared = json.loads((deployment.root / "firestore.indexes.json").read_text())
    composite, listed = await _listed(deployment, _COMPOSITE), await _listed(deployment, _FIELDS)
    fields = {_field(found["name"]): found for found in listed}
    existing = {_live_index(index) for index in composite}
    missing = [index for index in declared["indexes"] if _declared_index(index) not in existing]
    missing_fields = [
        field
        for field in declared["fieldOverrides"]
        if not _is_as_declared(field, fields.get((field["collectionGroup"], field["fieldPath"])))
    ]
    what = f"{len(declared['indexes'])} indexes, {len(declared['fieldOverrides'])} fields"

    async def are_built() -> bool:
        return _are_ready(await _listed(deployment, _COMPOSITE), await _listed(deployment, _FIELDS))

    if missing or missing_fields:
        names = [_name(index["collectionGroup"], *(f["fieldPath"] for f in index["fields"])) for index in missing]
        names += [_name(field["collectionGroup"], field["fieldPath"]) for field in missing_fields]
        bucket = deployment.settings.uploads_bucket
        command = firebase.deploy(cloud, only="firestore:indexes", uploads_bucket=bucket)
        yield Change(action="create", what=", ".join(names), commands=(command,), until=are_built)
    elif not _are_ready(composite, listed):
        yield Change(action="wait", what=f"{what}: some are being built", until=are_built)
    else:
        yield same(what)


_COMPOSITE: Final = ("firestore", "indexes", "composite", "list")
_FIELDS: Final = ("firestore", "indexes", "fields", "list")


async def _listed(deployment: Deployment, what: tuple[str, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await deployment.cloud.look(*what, _DATABASE) or []
    return found


def _are_ready(composite: list[dict[str, Any]], fields: list[dict[str, Any]]) -> bool:
    """Whether all can be asked. A field's own index is built, too, and its first question fails before that."""
    of_fields = [index for field in fields for index in field.get("indexConfig", {}).get("indexes", [])]
    return all(index["state"] == "READY" for index in [*composite, *of_fields])


def _declared_index(index: dict[str, Any]) -> _Index:
    return index["collectionGroup"], index["queryScope"], _ordered(index["fields"])


def _live_index(index: dict[str, Any]) -> _Index:
    group = index["name"].split("/collectionGroups/")[1].split("/")[0]
    return group, index["queryScope"], _ordered(index["fields"])


def _ordered(fields: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    # The database ends every index with the document's name.
    named = [field for field in fields if field["fieldPath"] != "__name__"]
    return tuple((field["fieldPath"], _kind(field)) for field in named)


def _kind(field: dict[str, Any]) -> str:
    """How a field is indexed: by its order, by the parts of an array, or as a vector of so many dimensions."""
    return str(field.get("order") or field.get("arrayConfig") or json.dumps(field["vectorConfig"], sort_keys=True))


def _field(name: str) -> tuple[str, str]:
    group, _, field = name.split("/collectionGroups/")[1].partition("/fields/")
    return group, field


def _is_as_declared(declared: dict[str, Any], live: dict[str, Any] | None) -> bool:
    if live is None or bool(declared.get("ttl")) != ("ttlConfig" in live):
        return False
    kept = {
        (index["queryScope"], *_ordered(index["fields"])) for index in live.get("indexConfig", {}).get("indexes", [])
    }
    wanted = {
        (
            index.get("queryScope", "COLLECTION"),
            (declared["fieldPath"], index.get("order") or index["arrayConfig"]),
        )
        for index in declared["indexes"]
    }
    return kept == wanted


def _name(group: str, *fields: str) -> str:
    return f"{group}({', '.join(fields)})"
