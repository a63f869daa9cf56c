"""The parts of a function's work, by the places in the code where it is seen; the first that matches has it."""

from typing import Final

from bench.sampling import Part

OTHER_THREADS: Final = "gRPC's threads, and the event loop"
PARTS: Final[tuple[Part, ...]] = (
    ("logging", ("/structlog/", "/structlog_gcp/", "nightshift/log.py")),
    ("reading the event", ("/cloudevents/", "nightshift/trace.py", "main.py:_document_id")),
    (
        "decoding documents",
        (
            "database/oversized.py",
            "database/decoding.py",
            "_helpers.py:decode",
            "_helpers.py:parse_",
            "document.py:to_dict",
            "documents.py:job_from",
        ),
    ),
    ("encoding writes", ("database/encoding.py",)),
    ("gRPC", ("/grpc/", "/google/api_core/", "firestore_v1/services/", "/proto/", "/google/protobuf/")),
    ("Firestore's client", ("/google/cloud/firestore",)),
    ("calling the provider", ("/openai/", "/httpx2/", "/httpcore", "/aiohttp/", "nightshift/providers/")),
    ("validation", ("/pydantic/", "nightshift/job_types/", "jobs/answer.py")),
    ("Cloud Storage", ("/google/cloud/storage/", "/requests/", "/urllib3/")),
    ("importing", ("importlib",)),
    ("reading a table", ("bulk/source/", "bulk/reading.py", "bulk/row_inputs.py", "bulk/template.py")),
    ("a table's requests", ("bulk/requests.py", "bulk/start.py:pages", "jobs/request.py")),
    ("judging a table's answers", ("bulk/members.py", "bulk/round.py", "bulk/instant.py")),
    ("a table's result files", ("bulk/pieces.py", "bulk/result_files.py", "bulk/zipped.py", "bulk/ended_rows.py")),
    ("our own steps", ("functions/nightshift/",)),
    (
        "framework",
        ("/uvicorn/", "/starlette/", "/functions_framework/aio", "/functions_framework/execution_id", "/h11/"),
    ),
)
