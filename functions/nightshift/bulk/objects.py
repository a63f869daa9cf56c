"""The names of a bulk job's objects in Cloud Storage, below `gs://BUCKET/bulk/{bulkId}/`.

| object | what it holds |
|---|---|
| `rows/{part}.jsonl` | a part's rows as they were read, one line each, in the order of the source |
| `rounds/{part}.{round}.jsonl` | the items that ended in a round of a part, by their index |
| `pieces/...` | a part's share of each result file |
| `results.jsonl`, `results.csv`, `errors.csv`, `results.zip` | the result files |

A line of `rows`: `{"row", "key"?, "columns", "input", "imageGeneration"?}`, or `{"row", "key"?, "columns", "error":
{"code", "message"}}` for an invalid row, or `{"row", "key"?, "columns", "sameAs": row}` for one that equals an earlier
one. A line's number, from 0, is its index in the part.

A line of `rounds`: `{"index", "status": "completed", "result"}`, or `{"index", "status": "failed" | "cancelled",
"errorCode", "errorMessage"}`. An item that ends twice, since an operator or its user ran it again, counts by its last
round.
"""


def prefix(bulk_id: str) -> str:
    """Where all objects of a bulk job lie."""
    return f"bulk/{bulk_id}/"


def rows(bulk_id: str, part: int) -> str:
    """A part's rows."""
    return f"{prefix(bulk_id)}rows/{part:05}.jsonl"


def round_results(bulk_id: str, part: int, round_: int) -> str:
    """What became of the items that ended in a round of a part."""
    return f"{prefix(bulk_id)}rounds/{part:05}.{round_:05}.jsonl"
