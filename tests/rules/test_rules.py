"""`firestore.rules`, evaluated by the emulator: what a client may do, and above all what it may not.

The cases are in rules_cases.py. Each starts from the same documents, so their order means nothing, and a project
serves all of them. The emulator records every value that each expression of the rules took, and the cases are held to
that record.
"""

import os
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from local.rules import RULES, load_rules
from local.tokens import unsigned_token
from nightshift.errors import JobRefused
from nightshift.job_types import registered
from nightshift.job_types.base import JobType
from tests.support.patience import PATIENCE_SECONDS
from tests.support.rules_cases import (
    ALICE,
    DOCUMENTS,
    INPUT_FIELDS,
    STRANGERS,
    Ask,
    Caller,
    Case,
    Delete,
    Get,
    List,
    Write,
    Writing,
    cases,
    marked,
    whose,
)
from tests.support.world import World

CASES = tuple(cases())
ALLOWED, DENIED = 200, 403


class Database:
    """One project's documents, as clients meet them: through the rules."""

    def __init__(self, client: httpx.AsyncClient, project: str) -> None:
        self._client = client
        self._project = project
        self._emulator = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}"
        self._root = f"projects/{project}/databases/(default)/documents"
        self._is_as_expected = False
        self._created: set[str] = set()

    async def status(self, caller: Caller, ask: Ask) -> int:
        """Ask as the caller; returns the status code."""
        token = None if caller.uid is None else unsigned_token(self._project, caller.uid, **caller.claims)
        return (await self._send(token, ask)).status_code

    async def status_of(self, case: Case) -> int:
        """Ask what the case asks, in the database that it expects; returns the status code."""
        if not self._is_as_expected:
            await self._restore()
        status = await self.status(case.caller, case.ask)
        if isinstance(case.ask, Writing) and status != DENIED:
            self._is_as_expected = False
            self._created |= {case.ask.path} - DOCUMENTS.keys()
        return status

    async def _restore(self) -> None:
        asks: list[Ask] = [Delete(path) for path in self._created]
        asks += [Write(path=path, fields=fields) for path, fields in DOCUMENTS.items()]
        writes = [write for ask in asks for write in (ask.rest(self._root)[2] or {})["writes"]]
        # The owner's token, which the rules do not bind.
        answer = await self._client.post(
            f"{self._emulator}/v1/{self._root}:commit",
            headers={"Authorization": "Bearer owner"},
            json={"writes": writes},
        )
        answer.raise_for_status()
        self._is_as_expected = True
        self._created.clear()

    async def _send(self, token: str | None, ask: Ask) -> httpx.Response:
        method, path, body = ask.rest(self._root)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._client.request(method, f"{self._emulator}/v1/{self._root}{path}", headers=headers, json=body)


async def new_database(client: httpx.AsyncClient, project: str) -> Database:
    """A project in which the rules hold."""
    await load_rules(client, os.environ["FIRESTORE_EMULATOR_HOST"], project)
    return Database(client, project)


async def test_a_client_does_what_is_its_own_to_do_and_nothing_else() -> None:
    """Each case is allowed or denied as its row says, by the rules and not by a malformed request.

    By the emulator's own record, each expression of the rules had a value, and each boolean one was both true and
    false. So all cases are one test: what one process played, another would have to play again.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        project = f"test-{secrets.token_hex(6)}"
        database = await new_database(client, project)
        asked = [(case, await database.status_of(case)) for case in CASES]
        report = await coverage_of(client, project)

    wrong = [f"{case.sentence}: {status}" for case, status in asked if status != (ALLOWED if case.allowed else DENIED)]
    assert not wrong, "\n".join(wrong)
    assert not (one_sided := list(one_sided_of(report))), "\n".join(one_sided)


async def coverage_of(client: httpx.AsyncClient, project: str) -> dict[str, Any]:
    """The emulator's record of which values each expression of a project's rules had."""
    emulator = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}"
    answer = await client.get(f"{emulator}/emulator/v1/projects/{project}:ruleCoverage")
    report: dict[str, Any] = answer.raise_for_status().json()
    return report


def one_sided_of(report: dict[str, Any]) -> Iterator[str]:
    """The expressions that never had a value, or were never true or never false, as the emulator recorded them."""
    source = report["rules"]["files"][0]["content"]
    seen: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for start, end, value in values(report["report"]):
        seen[start, end] += value
    assert seen
    # The emulator records no text, number, boolean or null literal: these have no second value to see.
    for (start, end), found in sorted(seen.items()):
        if not found or len({True, False} & set(found)) == 1:
            yield f"{source[start : end + 1]}: {found or 'never had a value'}"


def test_the_rules_name_the_input_fields_of_all_job_types_and_no_other() -> None:
    """A job type that takes a text or an image changes no rule; one with a field of its own has to be named there."""
    (listed,) = re.findall(r"function inputFields\(\) \{\s*return \[(.*?)\]", RULES.read_text())
    named = set(re.findall(r"'(\w+)'", listed))
    what_to_do = "add it to inputFields in firestore.rules, with a line in isInput that bounds it"
    assert not INPUT_FIELDS - named, f"{sorted(INPUT_FIELDS - named)}: {what_to_do}"
    assert not named - INPUT_FIELDS, f"{sorted(named - INPUT_FIELDS)}: no job type has it; take it out of inputFields"


@pytest.mark.parametrize("job_type", registered().values(), ids=lambda job_type: job_type.name)
def test_every_field_of_an_input_is_bounded_by_its_model_too(job_type: JobType[Any]) -> None:
    """A backend's job comes past the rules: whatever field of its input is enormous, it is refused."""
    fields = job_type.input_model.model_fields
    for name, content in product(fields, ("a" * 1_000_000, [True] * 100_000)):
        with pytest.raises(JobRefused):
            job_type.check_input({"text": "x", "imageUri": "https://example.com/a.png", name: content})


def test_no_two_cases_say_the_same() -> None:
    """A sentence names one case."""
    assert len({case.sentence for case in CASES}) == len(CASES)


def values(expressions: list[dict[str, Any]]) -> Iterator[tuple[int, int, list[Any]]]:
    """Each expression's place in the source, and its values: a boolean as it is, any other by the name of its kind.

    An evaluation that failed has no value: it does not count as false.
    """
    for expression in expressions:
        place = expression["sourcePosition"]
        # An evaluation that `&&` or `||` made needless is recorded without any value.
        found = [kind for one in expression.get("values", []) for kind in one["value"].items()]
        yield (
            place.get("currentOffset", 0),
            place["endOffset"],
            [value if kind == "boolValue" else kind for kind, value in found if kind != "undefined"],
        )
        yield from values(expression.get("children", []))


async def test_users_read_what_the_functions_wrote_for_them(world: World) -> None:
    """The user can get and list the documents of a whole journey, and no other user can."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.finish()
    batch_id = (await world.batches())[0]["id"]
    own: list[Ask] = [Get("wallets/alice"), List(collection="ledger", below="wallets/alice")]
    for collection in ("ai_jobs", "classifications", "notifications"):
        own += [Get(f"{collection}/{job_id}"), List(collection=collection, where=whose("alice"))]

    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        database = await new_database(client, world.project)
        assert {await database.status(ALICE, ask) for ask in own} == {ALLOWED}
        assert {await database.status(stranger, ask) for stranger in STRANGERS for ask in own} == {DENIED}
        assert await database.status(ALICE, Get(f"ai_batches/{batch_id}")) == DENIED
        assert await database.status(ALICE, marked({"read": True}, job_id)) == ALLOWED
    assert (await world.read(f"notifications/{job_id}"))["read"] is True
