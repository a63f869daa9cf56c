"""docs/APP.md says what is: fields, codes, lists and rules are those of the code, and its snippets use them.

Its JavaScript is run in tests/journey/test_end_to_end.py, its lists are recorded in tests/database/test_indexes.py.
"""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient

from local.part import ROOT
from local.tokens import unsigned_token
from nightshift import job_types
from nightshift.jobs.notification import KINDS
from nightshift.values.status import STATUSES
from tests.fuzz.contract import ERROR_CODES
from tests.support import app_page
from tests.support.auditing import spend_a_night
from tests.support.index_rules import Indexes, needs_of
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import clean_environment
from tests.support.promises import assert_promises_kept
from tests.support.world import World

SOURCE = "\n".join(path.read_text() for path in (ROOT / "functions" / "nightshift").rglob("*.py"))
RULES = (ROOT / "firestore.rules").read_text()
JOB, WALLET, CLASSIFICATION, NOTIFICATION = "`ai_jobs/", "`wallets/", "`classifications/", "`notifications/"
# Named in sentences: fields that an app does not need.
FURTHER = {JOB: "The functions keep their own notes", WALLET: "`admissions`"}


def documented(heading: str, document: str | None = None) -> set[str]:
    """The fields that the page names for a document."""
    cells = [row for row in app_page.rows(heading) if document is None or row[0] == document]
    column = 0 if document is None else 1
    found = {name for row in cells for name in app_page.names(row[column])}
    if heading in FURTHER and document != "entry":
        paragraph = app_page.PAGE[app_page.PAGE.index(FURTHER[heading]) :].partition("\n\n")[0]
        found |= set(app_page.names(paragraph))
    return found


async def test_every_field_that_a_document_has_is_on_the_page_and_no_other(world: World) -> None:
    """Of jobs that were answered at both speeds, retried, declined, refused and cancelled; of their other documents."""
    await spend_a_night(world)
    await world.submit("alice", "soon", deadline=world.now() + timedelta(days=1))
    await world.submit("alice", "now", speed="instant")
    await world.finish()

    written = {
        (JOB, None): await world.documents("ai_jobs"),
        (WALLET, "wallet"): await world.documents("wallets"),
        (WALLET, "entry"): await world.documents("wallets/alice/ledger"),
        (CLASSIFICATION, None): await world.documents("classifications"),
        (NOTIFICATION, None): await world.documents("notifications"),
    }
    for (heading, document), found in written.items():
        fields = {name for one in found.values() for name in one}
        named = documented(heading, document) - (set(STATUSES) if heading == JOB else set())
        assert found
        assert fields <= named, f"{heading} has fields that the page does not name"
        unknown = {name for name in named - fields if not re.search(rf"\b{name}\b", SOURCE)}
        assert not unknown, f"{heading} has no such fields"


def test_the_states_the_ends_and_the_codes_are_those_of_the_code() -> None:
    """Every status, every type of a notification, every errorCode, each with something to tell the person."""
    states = [row for row in app_page.rows(JOB) if len(row) == 3]
    assert {name for row in states for name in app_page.names(row[0])} == set(STATUSES)
    ends = {app_page.names(row[0])[0] for row in states if row[2].endswith("the end")}
    assert ends == set(KINDS)
    kinds = next(row for row in app_page.rows(NOTIFICATION) if row[0] == "`type`")
    assert set(app_page.names(kinds[2])) == set(KINDS.values())
    codes = {app_page.names(row[0])[0]: row[2] for row in app_page.rows("When it did not work")}
    assert codes.keys() == ERROR_CODES
    assert all(told.endswith(".") for told in codes.values())


def test_each_job_type_that_the_page_names_is_as_it_says() -> None:
    """A new job type need not stand here; one that does has the fields of its result."""
    described = re.findall(r"^- `(\w+)` takes(.*?)(?=\n- |\n\n)", app_page.PAGE, re.MULTILINE | re.DOTALL)
    assert len(described) == 8
    for name, text in described:
        _, _, result = text.partition("`result`")
        schema = job_types.find(name).schema()
        values = {value for field in schema["properties"].values() for value in field.get("enum", ())}
        assert set(app_page.names(result)) == schema["properties"].keys() | values


def test_the_fields_that_an_app_may_write_are_those_of_the_rules() -> None:
    """Of a job and of its input; the checklist names them all."""
    # Those of a bulk job follow.
    keys = re.findall(r"keys\(\)\.hasOnly\(\[(.*?)\]\)", RULES)[:1]
    keys += re.findall(r"function inputFields\(\) \{\s*return \[(.*?)\]", RULES)
    job, job_input = [set(re.findall(r"'(\w+)'", found)) for found in keys]
    by_app = {app_page.names(row[0])[0] for row in app_page.rows(JOB) if len(row) == 5 and row[2].startswith("app")}
    assert by_app == job
    checklist = {
        name for line in app_page.PAGE.splitlines() if line.startswith("- [ ]") for name in app_page.names(line)
    }
    assert checklist >= (job | job_input) - {"deadline"}
    (limit,) = re.findall(r"request\.query\.limit <= (\d+)", RULES)
    assert f"a `limit` of at most {limit}" in app_page.PAGE


def test_the_table_of_lists_says_which_have_their_indexes() -> None:
    """`yes` has one and `no` has none; every list of the snippets is a `yes`, with a limit that the rules allow."""
    indexes = Indexes.read(json.loads((ROOT / "firestore.indexes.json").read_text()))
    client = AsyncClient(project="p", credentials=AnonymousCredentials())
    promised = set()
    for where, filters, newest, oldest in app_page.rows("Lists and"):
        collection, _, below = app_page.names(where)[0].replace("{uid}/", "").partition("/")
        for cell, is_descending in ((newest, True), (oldest, False)):
            query = app_page.AppQuery(
                collection=collection,
                below=below or None,
                filters=tuple(app_page.names(filters)),
                order="createdAt",
                is_descending=is_descending,
                limit=20,
            )
            request = query.of(client, "alice")._to_protobuf()
            assert indexes.answer(_needs(request)) is (cell == "yes"), query
            if cell == "yes":
                promised.add(query)
    assert app_page.all_queries() <= promised


def _needs(query: Any) -> Any:
    from google.cloud.firestore_v1.types import RunQueryRequest

    return needs_of(RunQueryRequest(structured_query=query))


# What each language's snippet has to do, by the names that it takes.
TASKS = {
    *("ai_jobs", "userId", "type", "speed", "input", "imageUri", "status", "created", "createdAt"),
    *("completed", "failed", "cancelled", "result", "errorMessage"),
    *("notifications", "read", "wallets", "balance"),
}


@pytest.mark.parametrize("language", app_page.LANGUAGES)
def test_a_snippet_takes_the_documents_names_and_does_everything(language: str) -> None:
    """Each text that looks like a name is one of the page's tables; signing in, uploading and the ends are there."""
    code = "\n".join(app_page.files(language).values())
    named = {name for line in app_page.PAGE.splitlines() if line.startswith("|") for name in app_page.names(line)}
    words = {word for pair in re.findall(r"'([a-z_][\w.]*)'|\"([a-z_][\w.]*)\"", code) for word in pair if word}
    words = {part for word in words for part in word.split(".")}
    if language == "js":  # its objects take names without quotes
        words |= TASKS & set(re.findall(r"\b(\w+)\b(?=[:,.]| \})", code))
    known = named | {"ai_jobs", "wallets", "ledger", "classifications", "notifications"}
    known |= {name for job_type in job_types.registered().values() for name in job_type.schema()["properties"]}
    known |= {*job_types.registered(), "text", "imageUri", "waiting", "local", "nightshift", "desc", "asc"}

    assert words <= known
    assert words >= TASKS
    for does in ("signInWith|signIn\\(", "uploadBytes|putData|putBytes", "useAuthEmulator|connectAuth|useEmulator"):
        assert re.search(does, code)


@pytest.mark.parametrize("entry", ["welcome", "order-7"])
async def test_the_backends_snippet_gives_tokens_once(world: World, tmp_path: Path, entry: str) -> None:
    """As pasted, with the Admin SDK: at sign-up, if the address is verified, and for a purchase; then it is spent."""
    (code,) = app_page.files("python").values()
    (tmp_path / "tokens.py").write_text(code)
    verified = unsigned_token(world.project, "alice", email_verified=True)
    unverified = unsigned_token(world.project, "bob", email_verified=False)
    calls = {
        "welcome": f"after_sign_up({verified!r}), after_sign_up({verified!r}), after_sign_up({unverified!r})",
        "order-7": "after_purchase('alice', 20, '7'), after_purchase('alice', 20, '7'), False",
    }[entry]
    google = {name: os.environ[name] for name in ("FIRESTORE_EMULATOR_HOST", "FIREBASE_AUTH_EMULATOR_HOST")}
    backend = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"from tokens import *; print([{calls}])"),
        cwd=tmp_path,
        env=clean_environment() | google | {"GOOGLE_CLOUD_PROJECT": world.project},
        stdout=PIPE,
        stderr=STDOUT,
    )
    printed = (await asyncio.wait_for(backend.communicate(), PATIENCE_SECONDS))[0].decode()

    assert printed.strip().splitlines()[-1] == "[True, False, False]", printed
    assert await world.documents("wallets") == {"alice": await world.read("wallets/alice")}
    wallet = await world.read("wallets/alice")
    assert (wallet["balance"], wallet["totalEarned"], wallet["totalSpent"]) == (20, 20, 0)
    assert set(await world.documents("wallets/alice/ledger")) == {entry}
    await world.submit("alice")
    await world.finish()
    assert (await world.read("wallets/alice"))["balance"] == 19
    await assert_promises_kept(world)
