"""The names of a bulk job's objects in Cloud Storage, below `gs://BUCKET/bulk/{bulkId}/`.

| object | what it holds |
|---|---|
| `rows/{part}.{token}.jsonl` | a part's rows as they were read, one line each, in the order of the source |
| `rounds/{part}.{round}.{token}.jsonl` | the items that ended in a round of a part, by their index |
| `pieces/...` | a part's share of each result file |
| `results.jsonl`, `results.csv`, `errors.csv`, `results.zip` | the result files |

A line of `rows`: `{"row", "key"?, "columns", "input", "imageGeneration"?}`, or `{"row", "key"?, "columns", "error":
{"code", "message"}}` for an invalid row, or `{"row", "key"?, "columns", "sameAs": row}` for one that equals an earlier
one. A line's number, from 0, is its index in the part.

A line of `rounds`: `{"index", "status": "completed", "result"}`, or `{"index", "status": "failed" | "cancelled",
"errorCode", "errorMessage"}`. An item that ends twice, since an operator or its user ran it again, counts by its last
round.

The token is random. The part's document names the objects that count: a process that slept past its lease writes one
that nothing names.
"""

import secrets


def prefix(bulk_id: str) -> str:
    """Where all objects of a bulk job lie."""
    return f"bulk/{bulk_id}/"


def new_name(*numbers: int) -> str:
    """A name for an object of a part, or of a part's round."""
    return ".".join([*(f"{number:05}" for number in numbers), secrets.token_hex(6)])


def rows(bulk_id: str, name: str) -> str:
    """A part's rows, by the name that the part's document gives."""
    return f"{prefix(bulk_id)}rows/{name}.jsonl"


def round_ends(bulk_id: str, name: str) -> str:
    """What became of the items that ended in a round of a part, by the name that the part's document gives."""
    return f"{prefix(bulk_id)}rounds/{name}.jsonl"


def piece(bulk_id: str, name: str) -> str:
    """A part's share of a result file; without a name, the folder of all of them."""
    return f"{prefix(bulk_id)}pieces/{name}"


def result(bulk_id: str, name: str) -> str:
    """A result file."""
    return f"{prefix(bulk_id)}{name}"
