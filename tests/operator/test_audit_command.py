"""`./nightshift audit`, as an operator runs it."""

import pytest

from tests.support.auditing import spend_a_night, told
from tests.support.operating import asked, nightshift, operate
from tests.support.world import World


async def test_a_clean_database_exits_zero(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The audit lists what it looked at and what it skipped, and says that it found nothing."""
    await spend_a_night(world)

    code, output, complaints = await nightshift("audit")

    assert (code, complaints) == (0, "")
    assert "4 jobs" in output
    assert "No finding." in output

    code, output, complaints = await operate(world, capsys, "audit", openai_api_key=None)

    assert (code, complaints) == (0, "")
    assert "Skipped: provider, since OPENAI_API_KEY is not set." in output


async def test_findings_are_a_table_and_exit_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table says where and what; --repair adds what was done, or why nothing was."""
    monkeypatch.setenv("COLUMNS", "200")
    await spend_a_night(world)
    await world.firestore.document("notifications/answered").delete()
    await world.firestore.document("notifications/declined").update({"type": "other"})

    code, output, _ = await operate(world, capsys, "audit")
    assert code == 1
    assert "ai_jobs/answered" in output
    assert "2 findings, 0 mended." in output

    code, output, _ = await operate(world, capsys, "audit", "--repair", "--yes")
    assert code == 1
    assert "Mended: Its notification was written" in output
    assert "Left alone: the user may have read it." in output


async def test_json_is_one_object_a_line_for_programs(world: World) -> None:
    """Each finding, then the summary; the log goes elsewhere."""
    await spend_a_night(world)
    await world.firestore.document("wallets/alice").update({"balance": 0})

    code, output, _ = await nightshift("audit", "--json", "--repair", "--yes")

    mended = told(code, output)
    assert len(output.splitlines()) == 3
    assert (mended.code, mended.subjects, mended.summary["mended"]) == (1, ["wallets/alice"], 1)
    assert mended.findings[0]["mended"] == "Its balance was set to 7, as its ledger has it."


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"GOOGLE_CLOUD_PROJECT": ""}, "GOOGLE_CLOUD_PROJECT"),
        ({"NIGHTSHIFT_MAX_ATTEMPT": "3"}, "NIGHTSHIFT_MAX_ATTEMPT"),
    ],
)
async def test_a_wrong_setting_is_one_sentence_and_exits_two(
    world: World, environment: dict[str, str], named: str
) -> None:
    """The sentence names the variable; nothing is looked at."""
    assert world.project
    code, output, complaints = await nightshift("audit", **environment)

    assert (code, output) == (2, "")
    assert named in complaints
    assert len(complaints.splitlines()) == 1


async def test_it_asks_before_it_mends_anything(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A no changes nothing, and without a terminal there is no yes but --yes."""
    await spend_a_night(world)
    await world.firestore.document("wallets/alice").update({"balance": 0})

    refused = await asked(world, capsys, "n", "audit", "--repair")
    unasked = await operate(world, capsys, "audit", "--repair")

    assert (refused[0], refused[1], unasked[0], unasked[1]) == (1, "", 2, "")
    for complaints in (refused[2], unasked[2]):
        assert f"In {world.project}: Mends what is certain, each as it is found: " in complaints
    assert (await world.read("wallets/alice"))["balance"] == 0
    assert (await asked(world, capsys, "yes", "audit", "--repair"))[0] == 1
    assert (await world.read("wallets/alice"))["balance"] == 7
