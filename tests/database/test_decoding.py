"""Documents are decoded from their messages to the very values that the client library makes of them."""

from datetime import UTC, datetime
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient, GeoPoint
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types.document import Document
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st

from nightshift.database import decoding
from nightshift.database.decoding import Snapshot

CLIENT = AsyncClient(project="p", credentials=AnonymousCredentials())

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | _texts
    | st.binary(max_size=9)
    | st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    | st.sampled_from([Vector([0.5, -1.0]), GeoPoint(1.0, -2.0), CLIENT.document("ai_jobs/one")])
)
_contents = st.recursive(_plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3))


def message_of(fields: dict[str, Any]) -> Any:
    """The message of a document with these fields."""
    return Document.pb(Document(fields=_helpers.encode_dict(fields)))


@given(st.dictionaries(_texts, _contents, max_size=5))
def test_fields_are_decoded_as_the_library_does(fields: dict[str, Any]) -> None:
    """Every kind of content, nested, also what a hostile client writes."""
    message = message_of(fields)
    assert decoding.fields_of(message.fields, CLIENT) == _helpers.decode_dict(dict(message.fields), CLIENT)


def test_a_snapshot_has_its_times_to_the_nanosecond() -> None:
    """Preconditions rest on the update time, and a rounded one would never match."""
    message = message_of({"status": "queued"})
    message.update_time.seconds, message.update_time.nanos = 1_795_000_000, 123_456_789
    snapshot = Snapshot(CLIENT.document("ai_jobs/one"), message, message.update_time)

    assert snapshot.update_time.timestamp_pb() == message.update_time
    assert (snapshot.id, snapshot.exists, snapshot.get("status")) == ("one", True, "queued")


def test_a_snapshot_of_a_document_that_is_not_there_has_neither_fields_nor_times() -> None:
    """As the library's own."""
    absent = Snapshot(CLIENT.document("ai_jobs/one"), None, message_of({}).update_time)

    assert not absent.exists
    assert absent.to_dict() is None
    assert (absent.create_time, absent.update_time) == (None, None)


def test_changing_what_to_dict_returned_changes_no_snapshot() -> None:
    """A step may add to the fields that it was given."""
    snapshot = Snapshot(CLIENT.document("ai_jobs/one"), message_of({"attempts": 1}), None)
    fields = snapshot.to_dict() or {}
    fields["attempts"] = 2

    assert snapshot.to_dict() == {"attempts": 1}
