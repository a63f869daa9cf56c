"""How many bytes a document is billed for, its index entries included.

https://firebase.google.com/docs/firestore/storage-size. A field has an ascending and a descending entry, unless
firestore.indexes.json switches them off; a composite index of that file has one.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local.part import ROOT

_DECLARED = json.loads((ROOT / "firestore.indexes.json").read_text())
_EXEMPT = {(field["collectionGroup"], field["fieldPath"]) for field in _DECLARED["fieldOverrides"]}
_COMPOSITE: dict[str, list[list[str]]] = {}
for _index in _DECLARED["indexes"]:
    _COMPOSITE.setdefault(_index["collectionGroup"], []).append([field["fieldPath"] for field in _index["fields"]])

_NAME_OVERHEAD = 16
_DOCUMENT_OVERHEAD = 32
_ENTRY_OVERHEAD = 32
_ENTRIES_PER_FIELD = 2
# Of a text longer than this, only the beginning is indexed.
_MOST_INDEXED = 1_500


def document_bytes(path: str, fields: Mapping[str, Any]) -> int:
    """The document itself."""
    return _name_bytes(path) + _value_bytes(fields) + _DOCUMENT_OVERHEAD


def index_bytes(path: str, fields: Mapping[str, Any]) -> int:
    """The entries of its indexes: the automatic ones that are not switched off, and the composite ones."""
    collection = path.split("/")[-2]
    # Of a document in a root collection there is no parent.
    parent = path.rsplit("/", 2)[0] if path.count("/") > 1 else None
    entry_bytes = _name_bytes(path) + (_name_bytes(parent) if parent else 0) + _ENTRY_OVERHEAD
    automatic = sum(
        _ENTRIES_PER_FIELD * (entry_bytes + len(name.encode()) + 1 + min(_value_bytes(content), _MOST_INDEXED))
        for name, content in _indexed(fields)
        if (collection, name.partition(".")[0]) not in _EXEMPT
    )
    composite = sum(
        entry_bytes + sum(_value_bytes(fields[name]) for name in names)
        for names in _COMPOSITE.get(collection, ())
        if all(name in fields for name in names)
    )
    return automatic + composite


def _indexed(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, content in fields.items():
        if isinstance(content, Mapping):
            yield from _indexed(content, f"{prefix}{name}.")
        elif isinstance(content, list):
            yield from ((f"{prefix}{name}", member) for member in content)
        else:
            yield f"{prefix}{name}", content


def _name_bytes(path: str) -> int:
    return sum(len(part.encode()) + 1 for part in path.split("/")) + _NAME_OVERHEAD


def _value_bytes(content: Any) -> int:
    match content:
        case None | bool():
            return 1
        case int() | float() | datetime():
            return 8
        case str():
            return len(content.encode()) + 1
        case list():
            return sum(_value_bytes(member) for member in content)
        case Mapping():
            return sum(len(str(name).encode()) + 1 + _value_bytes(member) for name, member in content.items())
        case unknown:
            raise LookupError(f"the size of a {type(unknown).__name__}")
