"""What clients ask of Firestore, and which of it `firestore.rules` allows: a table, one sentence a row.

All asks are about one small database, `DOCUMENTS`, in which everything that can be owned is Alice's. Each
caller tries each kind of access (get, list, create, update, delete) everywhere. Rows of their own follow for what is
special to jobs, notifications and lists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from local.firestore_json import to_fields, to_value
from nightshift.job_types import registered

# The fields of the inputs of all job types.
INPUT_FIELDS = {name for job_type in registered().values() for name in job_type.input_model.model_fields}
MOST_LISTED = 100
MOST_CHARACTERS = 8_000


@dataclass(frozen=True)
class Caller:
    """Who asks: `uid` None has no token at all; `claims` are added to the token, or replace its own."""

    name: str
    uid: str | None
    claims: Mapping[str, Any] = field(default_factory=dict)


ALICE = Caller("Alice", "alice")
STRANGERS = (
    Caller("another user", "bob"),
    Caller("a visitor", None),
    Caller("an admin", "root", {"admin": True}),
    Caller("a forger", "bob", {"user_id": "alice", "admin": True, "role": "owner", "email": "alice@example.com"}),
)
STRANGE_TOKENS = (
    Caller("a token without a user", "alice", {"sub": ""}),
    Caller("a token for null", "alice", {"sub": None}),
    Caller("a token for a number", "alice", {"sub": 7}),
    Caller("a token for a list of users", "alice", {"sub": ["alice"]}),
    Caller("a token for ALICE", "alice", {"sub": "ALICE"}),
    Caller("a token of an anonymous sign-in", "anon", {"firebase": {"sign_in_provider": "anonymous"}}),
)


@dataclass(frozen=True)
class Get:
    """Read one document."""

    path: str

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        return "GET", f"/{self.path}", None


@dataclass(frozen=True, kw_only=True)
class List:
    """Query a collection; `below` is the document that it is in, `every` asks for all collections of this name."""

    collection: str
    below: str = ""
    where: Mapping[str, Any] | None = None
    limit: int | None = MOST_LISTED
    every: bool = False

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        query: dict[str, Any] = {"from": [{"collectionId": self.collection, "allDescendants": self.every}]}
        if self.where:
            query["where"] = self.where
        if self.limit is not None:
            query["limit"] = self.limit
        return "POST", f"{self.below and '/'}{self.below}:runQuery", {"structuredQuery": query}


@dataclass(frozen=True)
class Count:
    """Let the database count what a query finds, without showing it."""

    query: List

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        method, path, body = self.query.rest(root)
        counted = {"structuredAggregationQuery": {**(body or {}), "aggregations": [{"count": {}}]}}
        return method, path.replace(":runQuery", ":runAggregationQuery"), counted


@dataclass(frozen=True)
class Page:
    """List a collection, or a document's collections, page by page, without any query."""

    path: str

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        return "GET", f"/{self.path}?pageSize=1", None


@dataclass(frozen=True, kw_only=True)
class Write:
    """Write a document: all of it, or with `mask` these fields; `server_time` becomes the request's time."""

    path: str
    fields: Mapping[str, Any]
    mask: tuple[str, ...] | None = None
    server_time: str | None = None
    # Fields that hold a time of the client's choice.
    times: Mapping[str, str] = field(default_factory=dict)

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        times = {name: {"timestampValue": time} for name, time in self.times.items()}
        write: dict[str, Any] = {"update": {"name": f"{root}/{self.path}", "fields": to_fields(self.fields) | times}}
        if self.mask is not None:
            write["updateMask"] = {"fieldPaths": list(self.mask)}
        if self.server_time:
            write["updateTransforms"] = [{"fieldPath": self.server_time, "setToServerValue": "REQUEST_TIME"}]
        return "POST", ":commit", {"writes": [write]}


@dataclass(frozen=True)
class Delete:
    """Delete one document."""

    path: str

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        return "POST", ":commit", {"writes": [{"delete": f"{root}/{self.path}"}]}


@dataclass(frozen=True)
class Increment:
    """Add one to a number of a document, which names no value that a rule could look at beforehand."""

    path: str
    field: str

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        by_one = {"fieldPath": self.field, "increment": {"integerValue": "1"}}
        transform = {"document": f"{root}/{self.path}", "fieldTransforms": [by_one]}
        return "POST", ":commit", {"writes": [{"transform": transform}]}


@dataclass(frozen=True)
class Together:
    """Two writes in one commit, of which the second is not allowed: neither takes effect."""

    first: Write
    second: "Write | Delete | Increment"

    @property
    def path(self) -> str:
        """What would be there if the first took effect."""
        return self.first.path

    def rest(self, root: str) -> tuple[str, str, dict[str, Any] | None]:
        """Method, path below the database's documents, and body; `root` is the documents' full name."""
        writes = [write for ask in (self.first, self.second) for write in (ask.rest(root)[2] or {})["writes"]]
        return "POST", ":commit", {"writes": writes}


Writing = Write | Delete | Increment | Together
Ask = Get | List | Count | Page | Writing


@dataclass(frozen=True)
class Case:
    """One row: who asks for what, and whether it is allowed."""

    sentence: str
    caller: Caller
    ask: Ask
    allowed: bool = False


JOB = {
    "userId": "alice",
    "type": "waste_classification",
    "speed": "batch",
    "input": {"text": "a bottle"},
    "status": "created",
}
BULK = {
    "userId": "alice",
    "type": "waste_classification",
    "items": [{"text": "a bottle"}],
    "status": "created",
}
FILE = {"uri": "gs://uploads/users/alice/bulk/list.csv"}
NOTIFICATION = {
    "userId": "alice",
    "jobId": "old",
    "type": "job_completed",
    "title": "Waste",
    "message": "dry",
    "read": False,
}
# What is there before each case. Documents that no client may read bear Alice's name too: it must not help her.
DOCUMENTS: Mapping[str, Mapping[str, Any]] = {
    "ai_jobs/old": {**JOB, "status": "completed"},
    "ai_jobs/old/notes/one": {"userId": "alice"},
    "ai_jobs/damaged": {**JOB, "userId": None},
    "bulk_jobs/old": {**BULK, "status": "completed"},
    "bulk_jobs/old/parts/1": {"userId": "alice", "part": 1},
    "wallets/alice": {"userId": "alice", "balance": 1, "totalEarned": 1, "totalSpent": 0},
    "wallets/bob": {"balance": 1, "totalEarned": 1, "totalSpent": 0},
    "wallets/alice/ledger/one": {"userId": "alice", "amount": 1, "kind": "grant"},
    "classifications/old": {"userId": "alice", "jobId": "old", "result": {"category": "dry"}},
    "notifications/old": NOTIFICATION,
    "notifications/seen": {**NOTIFICATION, "read": True},
    "economy/alice": {"userId": "alice", "points": 10, "answered": 1},
    "economy/alice/points/one": {"userId": "alice", "points": 10, "kind": "answer"},
    "preferences/alice": {"email": True},
    "devices/alice/tokens/phone": {"token": "abc"},
    "outbox/old.job_completed": {"userId": "alice", "status": "waiting"},
    "digests/alice": {"userId": "alice", "unsubscribeKey": "secret"},
    "mail/one": {"userId": "alice", "to": ["alice@example.com"]},
    "ai_batches/one": {"userId": "alice", "status": "submitted"},
    "ai_batches/one/shards/0": {"userId": "alice", "status": "open"},
    "lanes/one": {"userId": "alice"},
    "webhooks/one": {"userId": "alice"},
    "secrets/one": {"userId": "alice"},
}
ALICES_OWN = {
    "her job": "ai_jobs/old",
    "her bulk job": "bulk_jobs/old",
    "her bulk job's part": "bulk_jobs/old/parts/1",
    "her wallet": "wallets/alice",
    "her ledger entry": "wallets/alice/ledger/one",
    "her economy": "economy/alice",
    "her entry of points": "economy/alice/points/one",
    "her classification": "classifications/old",
    "her notification": "notifications/old",
}
UNOWNED = {
    "a batch": "ai_batches/one",
    "a shard": "ai_batches/one/shards/0",
    "a lane": "lanes/one",
    "a webhook": "webhooks/one",
    "a message": "outbox/old.job_completed",
    "a digest": "digests/alice",
    "a mail": "mail/one",
    "a document of an unknown collection": "secrets/one",
    "a document below a job": "ai_jobs/old/notes/one",
}


# Collections whose documents lie below their user, and those that are named after one.
_BELOW_A_USER = ("ledger", "points")
_NAMED_BY_USER = ("wallets", "economy")


def cases() -> Iterator[Case]:
    """All cases."""
    yield from everyone_everywhere()
    yield from strange_tokens()
    yield from gets()
    yield from lists()
    yield from well_formed_jobs()
    yield from malformed_jobs()
    yield from bulk_jobs()
    yield from notification_updates()
    yield from preferences()
    yield from devices()
    yield from other_ways()


def everyone_everywhere() -> Iterator[Case]:
    """Every kind of ask in every collection, by Alice and by each stranger."""
    for caller, (name, path) in product((ALICE, *STRANGERS), (ALICES_OWN | UNOWNED).items()):
        owned = name in ALICES_OWN and caller is ALICE
        collection = path.rpartition("/")[0]
        below, _, collection_id = collection.rpartition("/")
        listed = List(
            collection=collection_id, below=below, where=None if collection_id in _BELOW_A_USER else whose("alice")
        )
        who = caller.name
        yield Case(f"{who} gets {name}", caller, Get(path), owned)
        yield Case(f"{who} lists the collection of {name}", caller, listed, owned and collection not in _NAMED_BY_USER)
        yield Case(f"{who} updates {name}", caller, Write(path=path, fields={"balance": 9}, mask=("balance",)))
        yield Case(f"{who} replaces {name}", caller, Write(path=path, fields={"userId": "alice", "balance": 9}))
        yield Case(f"{who} deletes {name}", caller, Delete(path))
        if collection == "ai_jobs":
            yield Case(f"{who} creates a job of Alice", caller, new_job(), caller is ALICE)
        elif collection == "bulk_jobs":
            yield Case(f"{who} creates a bulk job of Alice", caller, new_bulk_job(), caller is ALICE)
        else:
            # The document that is created belongs to Alice in every way that the rules know.
            created = f"{collection}/new"
            ask = Write(path=created, fields={**JOB, "read": True}, server_time="createdAt")
            yield Case(f"{who} creates one like {name}", caller, ask)
    for stranger in STRANGERS:
        yield Case(f"{stranger.name} marks Alice's notification as read", stranger, marked({"read": True}))


def strange_tokens() -> Iterator[Case]:
    """Tokens that Firebase never issues, or issues to users that the database does not know."""
    for caller in STRANGE_TOKENS:
        yield Case(f"{caller.name} gets Alice's wallet", caller, Get("wallets/alice"))
        yield Case(f"{caller.name} gets Alice's job", caller, Get("ai_jobs/old"))
        yield Case(f"{caller.name} creates a job of Alice", caller, new_job())


def gets() -> Iterator[Case]:
    """A job that is damaged or missing belongs to no user."""
    for caller in (ALICE, *STRANGERS):
        yield Case(f"{caller.name} gets a job without a user", caller, Get("ai_jobs/damaged"))
        yield Case(f"{caller.name} gets a job that does not exist", caller, Get("ai_jobs/none"))


def lists() -> Iterator[Case]:
    """A list names its user and a limit; only a ledger, which is below its user, needs no filter."""
    in_group = {"fieldFilter": {"field": {"fieldPath": "userId"}, "op": "IN", "value": to_value(["alice", "bob"])}}
    for collection in ("ai_jobs", "bulk_jobs", "classifications", "notifications"):
        mine = List(collection=collection, where=whose("alice"))
        yield Case(f"Alice lists one of {collection}", ALICE, replace(mine, limit=1), True)
        yield Case(f"Alice lists {collection} without a limit", ALICE, replace(mine, limit=None))
        yield Case(f"Alice lists too many of {collection}", ALICE, replace(mine, limit=MOST_LISTED + 1))
        yield Case(f"Alice lists all {collection} of a group", ALICE, replace(mine, every=True))
        yield Case(f"Alice lists {collection} of all users", ALICE, List(collection=collection))
        yield Case(f"Alice lists {collection} of Bob", ALICE, List(collection=collection, where=whose("bob")))
        yield Case(f"Alice lists {collection} of Bob and her", ALICE, List(collection=collection, where=in_group))
    for limit, name in ((None, "without a limit"), (MOST_LISTED + 1, "beyond the limit")):
        yield Case(
            f"Alice lists her ledger {name}", ALICE, List(collection="ledger", below="wallets/alice", limit=limit)
        )
    yield Case("Alice lists the ledger of Bob", ALICE, List(collection="ledger", below="wallets/bob"))
    yield Case("Alice lists all ledgers", ALICE, List(collection="ledger", every=True))
    yield Case("Alice lists all wallets", ALICE, List(collection="wallets"))


_LATER = {"deadline": "2120-01-01T00:00:00Z"}


def well_formed_jobs() -> Iterator[Case]:
    """Jobs at the edges of what is allowed."""
    edges: dict[str, dict[str, Any]] = {
        "the lowest priority": {"priority": 1},
        "the highest priority": {"priority": 10},
        "an instant answer": {"speed": "instant"},
        "the longest type": {"type": "x" * 100},
        "the longest text": {"input": {"text": "x" * MOST_CHARACTERS}},
        "the longest address": {"input": {"imageUri": "x" * MOST_CHARACTERS}},
        "the longest address of a video": {"input": {"videoUri": "x" * MOST_CHARACTERS}},
        "the longest criteria": {"input": {"text": "x", "criteria": "x" * MOST_CHARACTERS}},
        "the longest labels": {"input": {"text": "x", "labels": "x" * MOST_CHARACTERS}},
        "a text of null": {"input": {"text": None, "imageUri": "gs://uploads/users/alice/one.png"}},
        "a priority of 5.0": {"priority": 5.0},
    }
    for name, fields in edges.items():
        yield Case(f"Alice creates a job with {name}", ALICE, new_job(fields), True)
    later = Write(path="ai_jobs/new", fields=JOB, server_time="createdAt", times=_LATER)
    yield Case("Alice creates a job with a deadline", ALICE, later, True)
    for name, job_id in {"the longest id": "x" * 60, "every kind of character in its id": "aZ09_-"}.items():
        yield Case(f"Alice creates a job with {name}", ALICE, new_job(job_id=job_id), True)


def malformed_jobs() -> Iterator[Case]:
    """Jobs with one thing wrong."""
    for name in JOB:
        fields = {other: content for other, content in JOB.items() if other != name}
        ask = Write(path="ai_jobs/new", fields=fields, server_time="createdAt")
        yield Case(f"Alice creates a job without {name}", ALICE, ask)
    wrong: dict[str, dict[str, Any]] = {
        "another user": {"userId": "bob"},
        "a user of null": {"userId": None},
        "a list of users": {"userId": ["alice"]},
        "a type that is a number": {"type": 7},
        "a type that is a list": {"type": ["waste_classification"]},
        "a type of null": {"type": None},
        "an empty type": {"type": ""},
        "too long a type": {"type": "x" * 101},
        "an unknown speed": {"speed": "free"},
        "a speed that is a number": {"speed": 1},
        "an input that is a text": {"input": "a bottle"},
        "an input that is a list": {"input": ["a bottle"]},
        "an input of null": {"input": None},
        "an empty input": {"input": {}},
        "a megabyte beside its text": {"input": {"text": "x", "pad": "a" * 1_040_000}},
        "many values beside its text": {"input": {"text": "x", "pad": [True] * 1_000}},
        "a field in its input that no job type declares": {"input": {"text": "x", "system": "obey"}},
        "too long a text": {"input": {"text": "x" * (MOST_CHARACTERS + 1)}},
        "a text that is a number": {"input": {"text": 7}},
        "too long an address": {"input": {"imageUri": "x" * (MOST_CHARACTERS + 1)}},
        "too long an address of a video": {"input": {"videoUri": "x" * (MOST_CHARACTERS + 1)}},
        "an address of a video that is a list": {"input": {"videoUri": ["gs://uploads/users/alice/one.mp4"]}},
        "too long criteria": {"input": {"text": "x", "criteria": "x" * (MOST_CHARACTERS + 1)}},
        "criteria that are a list": {"input": {"text": "x", "criteria": ["clarity"]}},
        "too long labels": {"input": {"text": "x", "labels": "x" * (MOST_CHARACTERS + 1)}},
        "labels that are a list": {"input": {"text": "x", "labels": ["spam", "no spam"]}},
        "an address that is a list": {"input": {"imageUri": ["gs://uploads/users/alice/one.png"]}},
        "a priority of 0": {"priority": 0},
        "a priority of 11": {"priority": 11},
        "a priority of 5.5": {"priority": 5.5},
        "a priority of 10.1": {"priority": 10.1},
        "a priority that is no number": {"priority": float("nan")},
        "an endless priority": {"priority": float("inf")},
        "a priority that is a text": {"priority": "high"},
        "a priority of null": {"priority": None},
        "a priority that is a list": {"priority": [5]},
        "a speed that is a list": {"speed": ["batch"]},
        "a type that is a map": {"type": {"name": "waste_classification"}},
        "a text that is a map": {"input": {"text": {"x": "y"}}},
        "an address that is a number": {"input": {"imageUri": 7}},
        "the status queued": {"status": "queued"},
        "the status completed": {"status": "completed"},
        "a status of null": {"status": None},
        "tokens that it spent": {"tokensSpent": 0},
        "a result": {"result": {"category": "dry"}},
        "a lane": {"lane": "openai:/v1/chat/completions:gpt-5-mini"},
        "a batch": {"batchId": "one"},
        "attempts": {"attempts": -1},
        "an unknown field": {"note": "x"},
        "a deadline that is a text": {"deadline": "2120-01-01T00:00:00Z"},
        "a deadline that is a number": {"deadline": 4_733_510_400},
        "a deadline of null": {"deadline": None},
        "its own lease": {"nextAttemptAt": 0},
        "its own reason to wait": {"waitsFor": "rescue"},
        "its own end of the batch lane": {"batchUntil": 0},
        "a cost": {"costUsd": -1},
        "a day of the budget": {"budgetDay": "2025-06-19"},
    }
    for name in sorted(INPUT_FIELDS):
        for kind, content in {"text": "a" * 100_000, "list": [True] * 1_000}.items():
            wrong[f"an enormous {kind} in {name}"] = {"input": {"text": "x", name: content}}
    for name, fields in wrong.items():
        yield Case(f"Alice creates a job with {name}", ALICE, new_job(fields))
    ids = {
        "a dot in its id": "one.two",
        "a space in its id": "one two",
        "an accent in its id": "é",
        "a line break in its id": "one\n",
        "too long an id": "x" * 61,
    }
    for name, job_id in ids.items():
        yield Case(f"Alice creates a job with {name}", ALICE, new_job(job_id=job_id))
    job = Write(path="ai_jobs/new", fields=JOB)
    yield Case("Alice creates a job without createdAt", ALICE, job)
    for name, time in {"past": "2020-01-01T00:00:00Z", "future": "2120-01-01T00:00:00Z"}.items():
        ask = Write(path=job.path, fields=JOB, times={"createdAt": time})
        yield Case(f"Alice creates a job of the {name}", ALICE, ask)
    over = Write(path=job.path, fields=JOB, server_time="createdAt", times={"deadline": "2020-01-01T00:00:00Z"})
    yield Case("Alice creates a job whose deadline is over", ALICE, over)
    at_once = Write(path=job.path, fields={**JOB, "speed": "instant"}, server_time="createdAt", times=_LATER)
    yield Case("Alice creates an instant job with a deadline", ALICE, at_once)
    text = Write(path=job.path, fields={**JOB, "createdAt": "2020-01-01T00:00:00Z"})
    yield Case("Alice creates a job whose createdAt is a text", ALICE, text)
    updated = Write(path=job.path, fields={**JOB, "createdAt": 0}, server_time="updatedAt")
    yield Case("Alice creates a job with another time than createdAt", ALICE, updated)
    yield Case("Alice writes her job a second time", ALICE, new_job(job_id="old"))
    without_user = {"userId": None}
    yield Case("a visitor creates a job without a user", STRANGERS[1], new_job(without_user))


def bulk_jobs() -> Iterator[Case]:
    """Bulk jobs at the edges of what is allowed, and with one thing wrong."""
    of_file = {"items": None, "source": FILE}
    edges: dict[str, dict[str, Any]] = {
        "a thousand rows": {"items": [{"text": "x"}] * 1000},
        "a file": of_file,
        "a file that is described": {
            "items": None,
            "source": {**FILE, "format": "jsonl", "encoding": "utf-16le", "delimiter": "tab"},
        },
        "a mode": {"mode": "auto"},
        "a template": {"template": {"text": "{{name}}"}},
        "a key, and equal rows asked once": {"keyColumn": "id", "dedupe": True},
        "the rows of another left out": {"keyColumn": "id", "skip": "other"},
        "the same, as a map": {"keyColumn": "id", "skip": {"bulkId": "other"}},
        "a limit of 5.0": {"maxTokens": 5.0},
    }
    for name, fields in edges.items():
        yield Case(f"Alice creates a bulk job with {name}", ALICE, new_bulk_job(fields), True)
    wrong: dict[str, dict[str, Any]] = {
        "another user": {"userId": "bob"},
        "an empty type": {"type": ""},
        "too long a type": {"type": "x" * 101},
        "a type of null": {"type": 7},
        "an unknown mode": {"mode": "free"},
        "no row": {"items": []},
        "too many rows": {"items": [{"text": "x"}] * 1001},
        "rows that are no list": {"items": {"text": "x"}},
        "rows and a file": {"source": FILE},
        "neither rows nor a file": {"items": None},
        "a file of another user": {"items": None, "source": {"uri": "gs://uploads/users/bob/bulk/list.csv"}},
        "a file beside the folder": {"items": None, "source": {"uri": "gs://uploads/users/alice/list.csv"}},
        "too long an address": {"items": None, "source": {"uri": FILE["uri"] + "x" * 2000}},
        "an address that is a number": {"items": None, "source": {"uri": 7}},
        "a source that is a text": {"items": None, "source": FILE["uri"]},
        "an unknown field of the source": {"items": None, "source": {**FILE, "rows": 7}},
        "an unknown format": {"items": None, "source": {**FILE, "format": "xlsx"}},
        "too long an encoding": {"items": None, "source": {**FILE, "encoding": "x" * 21}},
        "an encoding that is a number": {"items": None, "source": {**FILE, "encoding": 8}},
        "too long a delimiter": {"items": None, "source": {**FILE, "delimiter": ";;;;;"}},
        "an empty template": {"template": {}},
        "a template that is a text": {"template": "{{name}}"},
        "a template of an unknown field": {"template": {"text": "{{name}}", "a" * 1_000: "x"}},
        "a template of too long texts": {"template": dict.fromkeys(("text", "criteria"), "x" * 4001)},
        "a template of maps": {"template": {"text": {"name": {"of": "what"}}}},
        "a template of lists": {"template": {"text": ["{{name}}"]}},
        "too long a key": {"keyColumn": "x" * 201},
        "a dedupe that is a text": {"dedupe": "yes"},
        "too long a skip": {"skip": "x" * 61},
        "a skip of other fields": {"skip": {"bulkId": "x", "part": 1}},
        "a skip of a number": {"skip": {"bulkId": 7}},
        "a limit below zero": {"maxTokens": -1},
        "a limit that is broken": {"maxTokens": 5.5},
        "a limit that is a text": {"maxTokens": "5"},
        "another status": {"status": "quoted"},
        "a price": {"price": 0},
    }
    for name, fields in wrong.items():
        yield Case(f"Alice creates a bulk job with {name}", ALICE, new_bulk_job(fields))
    late = Write(path="bulk_jobs/new", fields=BULK)
    yield Case("Alice creates a bulk job without its time", ALICE, late)
    yield Case("Alice dates a bulk job back", ALICE, replace(late, times={"createdAt": "2020-01-01T00:00:00Z"}))
    for name, bulk_id in {"too long an id": "x" * 61, "a full stop in its id": "a.b"}.items():
        yield Case(f"Alice creates a bulk job with {name}", ALICE, new_bulk_job(bulk_id=bulk_id))
    poor = Caller("a user without a wallet", "poor")
    yield Case("a user without a wallet creates a bulk job", poor, new_bulk_job({"userId": "poor"}))
    for limit, name in ((1, "one"), (None, "all"), (MOST_LISTED + 1, "too many")):
        parts = List(collection="parts", below="bulk_jobs/old", where=whose("alice"), limit=limit)
        yield Case(f"Alice lists {name} of her parts", ALICE, parts, limit == 1)


def new_bulk_job(fields: Mapping[str, Any] | None = None, *, bulk_id: str = "new") -> Write:
    """Alice's new bulk job, with these fields; one of None is left out."""
    content = {name: each for name, each in (BULK | dict(fields or {})).items() if each is not None}
    return Write(path=f"bulk_jobs/{bulk_id}", fields=content, server_time="createdAt")


def notification_updates() -> Iterator[Case]:
    """Alice may turn `read` to true, and nothing else."""
    yield Case("Alice marks her notification as read", ALICE, marked({"read": True}), True)
    yield Case("Alice marks it as read a second time", ALICE, marked({"read": True}, "seen"), True)
    whole = Write(path="notifications/old", fields={**NOTIFICATION, "read": True})
    yield Case("Alice writes her whole notification with read", ALICE, whole, True)
    wrong: dict[str, dict[str, Any]] = {
        "unread": {"read": False},
        "read by a text": {"read": "true"},
        "read by a number": {"read": 1},
        "read by null": {"read": None},
        "with another message": {"message": "you won"},
        "read and with another message": {"read": True, "message": "you won"},
        "read and with a new field": {"read": True, "readAt": 1},
        "read and Bob's": {"read": True, "userId": "bob"},
    }
    for name, fields in wrong.items():
        yield Case(f"Alice makes her notification {name}", ALICE, marked(fields))
    yield Case("Alice makes a read notification unread", ALICE, marked({"read": False}, "seen"))
    yield Case("Alice adds a field to a read notification", ALICE, marked({"readAt": 1}, "seen"))
    yield Case("Alice removes read", ALICE, Write(path="notifications/seen", fields={}, mask=("read",)))
    only = Write(path="notifications/old", fields={"userId": "alice", "read": True})
    yield Case("Alice leaves nothing but read", ALICE, only)
    timed = Write(path="notifications/old", fields={"read": True}, mask=("read",), server_time="createdAt")
    yield Case("Alice marks it as read and renews its time", ALICE, timed)


def preferences() -> Iterator[Case]:
    """What a user wants to hear of: each field has its few values."""
    quiet = {"from": "22:00", "to": "07:00", "timeZone": "Europe/Berlin"}
    fitting: dict[str, dict[str, Any]] = {
        "nothing": {},
        "all": {"email": True, "push": True, "language": "en-GB", "about": ["jobs", "bulk"], "quietHours": quiet},
        "a language": {"language": "de"},
        "bulk jobs only, and no push": {"about": ["bulk"], "push": False},
    }
    wrong: dict[str, dict[str, Any]] = {
        "an e-mail address": {"email": "eve@example.com"},
        "an unknown field": {"admin": True},
        "a push by a number": {"push": 1},
        "a language that is a number": {"language": 7},
        "a long language": {"language": "en" * 1000},
        "an unknown topic": {"about": ["jobs", "news"]},
        "a topic often": {"about": ["jobs"] * 1000},
        "a topic that is a text": {"about": "jobs"},
        "quiet hours that are a text": {"quietHours": "22-7"},
        "quiet hours without a zone": {"quietHours": {"from": "22:00", "to": "07:00"}},
        "quiet hours with more": {"quietHours": {**quiet, "pad": "x"}},
        "no such hour": {"quietHours": {**quiet, "from": "24:00"}},
        "no such minute": {"quietHours": {**quiet, "to": "07:60"}},
        "hours that are numbers": {"quietHours": {**quiet, "from": 22}},
        "hours that end at a number": {"quietHours": {**quiet, "to": 7}},
        "a zone that is a number": {"quietHours": {**quiet, "timeZone": 1}},
        "an empty zone": {"quietHours": {**quiet, "timeZone": ""}},
        "a long zone": {"quietHours": {**quiet, "timeZone": "x" * 65}},
    }
    path = "preferences/alice"
    for name, fields in (fitting | wrong).items():
        yield Case(f"Alice prefers {name}", ALICE, Write(path=path, fields=fields), name in fitting)
    yield Case("Alice changes her mind", ALICE, Write(path=path, fields={"email": False}, mask=("email",)), True)
    yield Case("Alice deletes her preferences", ALICE, Delete(path), True)
    yield Case("another user has preferences", STRANGERS[0], Write(path="preferences/bob", fields={}), True)
    for caller in (ALICE, *STRANGERS):
        yield Case(f"{caller.name} gets Alice's preferences", caller, Get(path), caller is ALICE)
        yield Case(f"{caller.name} lists preferences", caller, List(collection="preferences"))
    for caller in STRANGERS:
        yield Case(f"{caller.name} writes Alice's preferences", caller, Write(path=path, fields={"email": False}))
        yield Case(f"{caller.name} deletes Alice's preferences", caller, Delete(path))


def devices() -> Iterator[Case]:
    """The devices of a user, one document each."""
    path = "devices/alice/tokens/new"
    fitting: dict[str, dict[str, Any]] = {
        "a token": {"token": "abc"},
        "a platform": {"token": "abc", "platform": "ios"},
        "the longest token": {"token": "x" * 4096},
    }
    wrong: dict[str, dict[str, Any]] = {
        "no token": {},
        "an empty token": {"token": ""},
        "too long a token": {"token": "x" * 4097},
        "a token that is a number": {"token": 7},
        "an unknown platform": {"token": "abc", "platform": "toaster"},
        "an unknown field": {"token": "abc", "pad": "x"},
    }
    for name, fields in (fitting | wrong).items():
        ask = Write(path=path, fields=fields, server_time="updatedAt")
        yield Case(f"Alice has a device with {name}", ALICE, ask, name in fitting)
    phone = Write(path="devices/alice/tokens/phone", fields={"token": "def"}, server_time="updatedAt")
    yield Case("Alice's phone has a new token", ALICE, phone, True)
    yield Case("Alice has a device without a time", ALICE, Write(path=path, fields={"token": "abc"}))
    long_id = Write(path=f"devices/alice/tokens/{'x' * 65}", fields={"token": "abc"}, server_time="updatedAt")
    yield Case("Alice has a device with a long id", ALICE, long_id)
    other_time = Write(path=path, fields={"token": "abc"}, times={"updatedAt": "2120-01-01T00:00:00Z"})
    yield Case("Alice has a device of the future", ALICE, other_time)
    listed = List(collection="tokens", below="devices/alice")
    for caller in (ALICE, *STRANGERS):
        is_alice = caller is ALICE
        yield Case(f"{caller.name} gets Alice's phone", caller, Get("devices/alice/tokens/phone"), is_alice)
        yield Case(f"{caller.name} lists Alice's devices", caller, listed, is_alice)
        yield Case(f"{caller.name} deletes Alice's phone", caller, Delete("devices/alice/tokens/phone"), is_alice)
    for caller in STRANGERS:
        ask = Write(path=path, fields={"token": "abc"}, server_time="updatedAt")
        yield Case(f"{caller.name} adds a device to Alice's", caller, ask)
    yield Case("Alice lists her devices without a limit", ALICE, replace(listed, limit=None))
    yield Case("Alice lists too many devices", ALICE, replace(listed, limit=MOST_LISTED + 1))
    yield Case("Alice lists all devices", ALICE, List(collection="tokens", every=True))
    points = List(collection="points", below="economy/alice", limit=MOST_LISTED + 1)
    yield Case("Alice lists her points beyond the limit", ALICE, points)


def other_ways() -> Iterator[Case]:
    """What the SDKs can do besides: count, list by pages, add to a number, write several documents at once."""
    for collection in ("ai_jobs", "classifications", "notifications"):
        mine = List(collection=collection, where=whose("alice"))
        yield Case(f"Alice counts her {collection}", ALICE, Count(mine), True)
        yield Case(f"Alice counts all her {collection}", ALICE, Count(replace(mine, limit=None)))
        yield Case(f"Alice counts {collection} of all users", ALICE, Count(List(collection=collection)))
        for stranger in STRANGERS:
            yield Case(f"{stranger.name} counts Alice's {collection}", stranger, Count(mine))
    ledger = List(collection="ledger", below="wallets/alice")
    yield Case("Alice counts her ledger", ALICE, Count(ledger), True)
    for caller in (ALICE, *STRANGERS):
        for collection in ("ai_jobs", "wallets", "classifications", "notifications", "ai_batches"):
            yield Case(f"{caller.name} pages through {collection}", caller, Page(collection))
        for path, number in {
            "wallets/alice": "balance",
            "wallets/alice/ledger/one": "amount",
            "ai_jobs/old": "attempts",
            "notifications/old": "read",
        }.items():
            yield Case(f"{caller.name} adds to {number} in {path}", caller, Increment(path, number))
    yield Case("Alice pages through her ledger", ALICE, Page("wallets/alice/ledger"), True)
    for stranger in STRANGERS:
        yield Case(f"{stranger.name} pages through Alice's ledger", stranger, Page("wallets/alice/ledger"))
    spoiling: dict[str, Write | Delete | Increment] = {
        "adds to her wallet": Increment("wallets/alice", "balance"),
        "deletes her old job": Delete("ai_jobs/old"),
        "answers it": Write(path="ai_jobs/new", fields={"status": "completed"}, mask=("status",)),
        "creates one of Bob": new_job({"userId": "bob"}, job_id="another"),
    }
    for name, second in spoiling.items():
        yield Case(f"Alice creates a job and at once {name}", ALICE, Together(new_job(), second))
    bob = STRANGERS[0]
    newcomer = Caller("a user without a wallet", "carol")
    yield Case("a user without a wallet opens one", newcomer, Write(path="wallets/carol", fields={"balance": 9}))
    yield Case("a user without a wallet creates a job", newcomer, new_job({"userId": "carol"}))
    entry = {"amount": 9, "kind": "grant"}
    yield Case("another user writes into its own ledger", bob, Write(path="wallets/bob/ledger/one", fields=entry))
    yield Case("another user creates a job of its own", bob, new_job({"userId": "bob"}), True)
    yield Case("another user writes its job over Alice's", bob, new_job({"userId": "bob"}, job_id="old"))
    own = Write(path="notifications/new", fields={**NOTIFICATION, "userId": "bob"})
    yield Case("another user notifies itself", bob, own)


def whose(uid: str) -> dict[str, Any]:
    """The filter of a query for a user's documents."""
    return {"fieldFilter": {"field": {"fieldPath": "userId"}, "op": "EQUAL", "value": to_value(uid)}}


def new_job(fields: Mapping[str, Any] | None = None, *, job_id: str = "new") -> Write:
    """The README's job, with some fields of its own."""
    return Write(path=f"ai_jobs/{job_id}", fields=JOB | dict(fields or {}), server_time="createdAt")


def marked(fields: Mapping[str, Any], notification_id: str = "old") -> Write:
    """An update of some fields of a notification."""
    return Write(path=f"notifications/{notification_id}", fields=fields, mask=tuple(fields))
