"""Documents that are too large to be read whole: what is large in them is left unread, and says so.

Firestore takes a megabyte from a client, and 100,000 values in it keep Python busy for more than a second. In that time
an instance answers no other call. So the size of a field is read from the message, before the field is turned into
values. No admitted document has a field of this size. Any input that a job type allows is smaller.
"""

from enum import Enum
from typing import Any, Final

from nightshift.database import decoding
from nightshift.database.decoding import content_of

_MOST_VALUES: Final = 10_000


class Unread(Enum):
    """What stands for a field that was left unread; a copy of it is itself."""

    UNREAD = "UNREAD"


UNREAD: Final = Unread.UNREAD


def fields_of(
    document: Any, client: Any, field_bytes: int, most_bytes: int, most_values: int = _MOST_VALUES
) -> dict[str, Any]:
    """The fields of a document's message, the small ones first; from where it is too much, they are UNREAD.

    Args:
        field_bytes: a larger field is too much.
        most_bytes: of all fields together.
        most_values: the same, counted with the values inside of values.
    """
    # A value takes two bytes of the message at least.
    if document.ByteSize() <= min(field_bytes, most_bytes, 2 * most_values):
        return decoding.fields_of(document.fields, client)
    fields: dict[str, Any] = {}
    values_left, bytes_left = most_values, most_bytes
    for name, value in sorted(document.fields.items(), key=lambda field: field[1].ByteSize()):
        size = value.ByteSize()
        values = _values_in(value, values_left) if size <= min(field_bytes, bytes_left) else values_left + 1
        if values > values_left:
            fields[name] = UNREAD
            continue
        values_left -= values
        bytes_left -= size
        fields[name] = content_of(value, client)
    return fields


def _values_in(value: Any, most: int) -> int:
    """How many values are in a value, itself included; counted until they are more than `most`."""
    counted, waiting = 0, [value]
    while waiting and counted <= most:
        each = waiting.pop()
        counted += 1
        inner = (
            each.map_value.fields.values() if each.WhichOneof("value_type") == "map_value" else each.array_value.values
        )
        if len(inner) > most:
            return most + 1
        waiting += inner
    return counted
