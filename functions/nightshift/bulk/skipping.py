"""The rows that an earlier bulk job of the same user completed, by their keys."""

from hashlib import sha256

from nightshift.bulk import documents
from nightshift.bulk.stored_rows import read_rows
from nightshift.errors import JobRefused
from nightshift.runtime import Runtime
from nightshift.values.texts import Text


def digest(key: str) -> bytes:
    """A key, shortened: 50,000 of them are in memory."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]


async def completed_keys(runtime: Runtime, user_id: str, bulk_id: str) -> frozenset[bytes]:
    """The digests of the keys that a bulk job has completed. Raises JobRefused if it is not the user's own."""
    earlier = await documents.read(runtime, bulk_id)
    if earlier is None or earlier.user_id != user_id:
        raise JobRefused(
            "invalid_input", Text.EARLIER_TABLE_MISSING.say(), "the bulk job that skip names does not exist"
        )
    if earlier.is_open:
        raise JobRefused("invalid_input", Text.EARLIER_TABLE_OPEN.say(), "the bulk job that skip names has not ended")
    parts = await documents.whole_parts(runtime, bulk_id)
    # Of a row that equals an earlier one, the answer of that one counts.
    has_equal_rows = any(part.counts.total != part.rows for part in parts)
    found: set[bytes] = set()
    completed_rows: set[int] = set()
    for part in parts:
        if not part.counts.completed and not has_equal_rows:
            continue
        async for rows in read_rows(runtime, part):
            for index, row in rows:
                is_completed = row.same_as in completed_rows if row.same_as else part.states[index] == "completed"
                if is_completed and row.key:
                    found.add(digest(row.key))
                if is_completed and has_equal_rows:
                    completed_rows.add(row.row)
    return frozenset(found)
