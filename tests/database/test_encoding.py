"""Writes are encoded to the very messages that the client library builds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types.write import Write
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st

from nightshift.database import encoding

PATH = "projects/p/databases/(default)/documents/ai_jobs/one"
READ_AS_OF = DatetimeWithNanoseconds(2026, 11, 22, 1, 2, 3, nanosecond=123456789, tzinfo=UTC)

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
_plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | _texts
    | st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    | st.just(READ_AS_OF)
    | st.sampled_from([Vector([]), Vector([0.5, -1.0])])
)
_contents = st.recursive(_plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3))
# Ours are identifiers: camelCase names.
_names = st.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True)
_fields = st.dictionaries(_names, _contents | st.just(SERVER_TIMESTAMP), max_size=5)


def sorted_mask(write: Any) -> Any:
    """The message, with the names in its mask and its transforms in one order: theirs is of no account."""
    message = Write.pb(write) if isinstance(write, Write) else write
    message.update_mask.field_paths.sort()
    message.update_transforms.sort(key=lambda transform: transform.field_path)
    return message


@given(_fields)
def test_a_creation_is_encoded_as_the_library_does(fields: dict[str, Any]) -> None:
    """Every kind of content, and the server's time."""
    (theirs,) = _helpers.pbs_for_create(PATH, fields)
    assert sorted_mask(encoding.create(PATH, fields)) == sorted_mask(theirs)


@given(_fields)
def test_a_replacement_is_encoded_as_the_library_does(fields: dict[str, Any]) -> None:
    """Every kind of content, and the server's time."""
    (theirs,) = _helpers.pbs_for_set_no_merge(PATH, fields)
    assert sorted_mask(encoding.overwrite(PATH, fields)) == sorted_mask(theirs)


@given(st.dictionaries(_names, _contents | st.just(SERVER_TIMESTAMP) | st.just(DELETE_FIELD), min_size=1, max_size=5))
def test_a_change_is_encoded_as_the_library_does(fields: dict[str, Any]) -> None:
    """Fields that are set, deleted or stamped, under a precondition exact to the nanosecond."""
    option = _helpers.LastUpdateOption(READ_AS_OF.timestamp_pb())
    (theirs,) = _helpers.pbs_for_update(PATH, fields, option)
    ours = sorted_mask(encoding.update(PATH, fields, READ_AS_OF))
    assert ours == sorted_mask(theirs)
    assert ours.HasField("update_mask")


def test_a_deletion_is_encoded_as_the_library_does() -> None:
    """Without a precondition: what is gone is gone."""
    assert encoding.delete(PATH) == Write.pb(_helpers.pb_for_delete(PATH, None))


def test_what_no_document_of_ours_holds_is_an_error() -> None:
    """It surfaces where it is written, and not as an odd document."""
    with pytest.raises(TypeError, match="holds no set"):
        encoding.create(PATH, {"photo": {1}})
