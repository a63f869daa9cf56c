"""`grant`: tokens are given once, whatever becomes of the answer."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from google.api_core.exceptions import ServiceUnavailable

from cli.commands.command import ExitCode
from nightshift.ledger import grants
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS, Fault
from tests.support.operating import asked, nightshift, operate
from tests.support.promises import assert_audit_is_clean
from tests.support.world import World

OF_FIRESTORE = [fault for fault in FAULTS.values() if "firestore" in fault.answers]


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


async def test_a_user_without_a_wallet_gets_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The wallet, its ledger and the output agree."""
    code, output, complaints = await operate(world, capsys, "grant", "alice", "50", "--yes")

    assert (code, complaints) == (0, "")
    ((entry_id, entry),) = (await world.documents("wallets/alice/ledger")).items()
    assert (entry["amount"], entry["kind"]) == (50, "grant")
    assert output.index(f"--entry-id {entry_id}") < output.index("50 tokens granted; alice has 50 now.")
    wallet = await world.read("wallets/alice")
    assert (wallet["balance"], wallet["totalEarned"], wallet["totalSpent"]) == (50, 50, 0)
    await assert_audit_is_clean(world)


async def test_what_else_the_wallet_holds_stays(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """After a charge, a grant adds to balance and earnings; what was spent and admitted stays."""
    await world.give("alice", 3)
    await world.submit("alice")
    before = await world.read("wallets/alice")

    code, output, _ = await operate(world, capsys, "grant", "alice", "5", "--entry-id", "gift", "--yes", "--json")

    assert code == 0
    _, intent, grant = (json.loads(line) for line in output.splitlines())
    assert intent == {"intent": {"uid": "alice", "tokens": 5, "entryId": "gift"}}
    assert grant == {"grant": {"uid": "alice", "tokens": 5, "entryId": "gift", "isNew": True, "balance": 7}}
    after = await world.read("wallets/alice")
    assert after.pop("updatedAt") > before.pop("updatedAt")
    assert after == {**before, "balance": 7, "totalEarned": 8}
    await assert_audit_is_clean(world)


async def test_under_one_entry_id_tokens_are_given_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The same amount again is done already; another amount is refused. Neither changes anything."""
    assert (await operate(world, capsys, "grant", "alice", "5", "--entry-id", "gift", "--yes"))[0] == 0

    code, output, _ = await operate(world, capsys, "grant", "alice", "5", "--entry-id", "gift")
    assert code == ExitCode.DONE
    assert "5 tokens granted before: nothing was changed; alice has 5 now." in output

    code, _, complaints = await operate(world, capsys, "grant", "alice", "6", "--entry-id", "gift")
    assert code == ExitCode.FINDINGS
    assert complaints == f"{world.project}: As gift, alice was granted 5 tokens before. Nothing was changed.\n"
    assert (await world.read("wallets/alice"))["balance"] == 5


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["alice", "0"], "TOKENS"),
        (["alice", "-5"], "TOKENS"),
        (["alice", "1.5"], "TOKENS"),
        (["alice", "1000001"], "TOKENS"),
        (["a/b", "5"], "UID"),
        (["x" * 129, "5"], "UID"),
        (["alice", "5", "--entry-id", "job1.charge"], "--entry-id"),
        (["alice", "5", "--entry-id", "__x__"], "--entry-id"),
        (["alice"], "TOKENS"),
    ],
)
async def test_wrong_arguments_are_named(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    """Nothing is granted, and the exit code is 2."""
    with pytest.raises(SystemExit) as exited:
        await operate(world, capsys, "grant", *arguments, "--yes")

    assert exited.value.code == 2
    assert named in capsys.readouterr().err.partition("error: ")[2]
    assert not await world.documents("wallets")


async def test_without_a_terminal_and_without_yes_nothing_is_changed(world: World) -> None:
    """The refusal names what would have been changed."""
    await world.give("alice", 3)

    code, output, complaints = await nightshift("grant", "alice", "5", "--entry-id", "gift")

    assert (code, output) == (2, "")
    assert complaints == (
        f"In {world.project}: Adds 5 tokens to the wallet of alice, which holds 3, as ledger entry gift. "
        "There is no terminal to confirm it at, so nothing was changed; --yes confirms it.\n"
    )
    assert (await world.read("wallets/alice"))["balance"] == 3


@pytest.mark.parametrize(("answer", "code", "balance"), [("y", 0, 5), ("n", 1, None), ("", 1, None)])
async def test_on_a_terminal_it_asks(
    world: World, capsys: pytest.CaptureFixture[str], answer: str, code: int, balance: int | None
) -> None:
    """Only a yes is a yes."""
    ended, _, complaints = await asked(world, capsys, answer, "grant", "alice", "5", "--entry-id", "gift")

    assert "Adds 5 tokens to the wallet of alice, which does not exist yet, as ledger entry gift." in complaints
    assert ended == code
    assert (await world.read("wallets/alice")).get("balance") == balance


@pytest.mark.parametrize("fault", OF_FIRESTORE, ids=lambda fault: fault.name)
@pytest.mark.parametrize("number", [0, 1])
async def test_whatever_becomes_of_a_call_a_grant_is_given_once(world: World, fault: Fault, number: int) -> None:
    """The process dies at the reading or the commit, or its answer is lost or late: repeated, it is there once."""
    await world.give("alice", 3)
    traffic = Traffic(Strike(fault, number))

    async def grant() -> grants.Grant:
        return await grants.grant(world.operators_runtime(), "alice", 5, "gift")

    first = None
    # What is read as a stream is asked again by the library until its first message, and then no more.
    with suppress(ServiceUnavailable):
        first = await traffic.invoke(grant)
    assert traffic.struck or fault.only
    assert first is not None or fault.name in {"dies-before", "dies-after", "breaks-off"}
    await traffic.land()
    again = await grant()

    assert first is None or (first.is_new and not again.is_new)
    assert again.tokens == 5
    assert (await world.read("wallets/alice"))["balance"] == 8
    assert (await world.read("wallets/alice/ledger/gift"))["amount"] == 5
    await assert_audit_is_clean(world)


async def test_grants_and_charges_that_meet_at_a_wallet_all_count(world: World) -> None:
    """Eight grants, one of them from three instances at once, while six jobs are paid from the same wallet."""
    await world.give("alice", 6)
    job_ids = [await world.write("alice") for _ in range(6)]
    granting = [grants.grant(world.operators_runtime(), "alice", 5, f"gift-{number}") for number in range(7)]
    same = [grants.grant(world.operators_runtime(), "alice", 5, "same") for _ in range(3)]

    granted = await asyncio.gather(*granting, *same)
    assert {200} == set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids)))

    assert [grant.tokens for grant in granted] == [5] * 10
    assert (await world.read("wallets/alice"))["balance"] == 6 + 8 * 5 - 6
    await assert_audit_is_clean(world)


async def test_an_answer_that_stays_lost_says_how_to_repeat_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commit lands, its answer and the next reading are lost: the command that finds out is named."""
    traffic = Traffic(Strike(FAULTS["lost"], 5), Strike(FAULTS["breaks-off"], 6))

    code, _, complaints = await traffic.invoke(
        lambda: operate(world, capsys, "grant", "alice", "5", "--entry-id", "gift", "--yes")
    ) or (None, "", "")

    assert code == ExitCode.COULD_NOT_RUN
    assert complaints.endswith("Repeat: ./nightshift grant alice 5 --entry-id gift\n")
    assert (await world.read("wallets/alice"))["balance"] == 5
