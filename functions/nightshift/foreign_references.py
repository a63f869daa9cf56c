"""References to documents of other databases, which a client may put into its job's `input`.

Firestore stores them; its client library raises a ValueError as soon as it reads a document that holds one. So one
job of a hostile client would end each reading that it is a part of: a page of the tick's, or that of the jobs of other
users whose events came at the same moment. No rule can forbid it, since rules cannot look at every value of a map.

Here such a reference is read as what it is, and no validation of ours takes it for anything.
"""

from dataclasses import dataclass
from typing import Any

from google.cloud.firestore_v1 import _helpers

_read_own = _helpers.reference_value_to_document


@dataclass(frozen=True)
class ForeignReference:
    """A reference to a document of another project or database; `name` is the document's full name."""

    name: str


def read_foreign_ones() -> None:
    """Let the client library read foreign references. It has no setting for that: its function is replaced."""
    _helpers.reference_value_to_document = _read


def _read(reference_value: Any, client: Any) -> Any:
    try:
        return _read_own(reference_value, client)
    except ValueError:
        return ForeignReference(reference_value)
