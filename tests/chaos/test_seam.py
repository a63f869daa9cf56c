"""The seam itself: that it counts what the functions send, strikes what it should, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.chaos.calls import ProcessDied, Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.support.world import World


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


async def _answered(world: World) -> Traffic:
    """The traffic of one job's whole journey, undisturbed."""
    traffic = Traffic()
    await world.give("alice", 1)
    job_id = await world.write("alice")
    assert await traffic.invoke(lambda: world.trigger(job_id)) == 200
    await world.provider.settled()
    assert await traffic.invoke(world.tick) == 200
    assert (await world.job(job_id))["status"] == "completed"
    return traffic


async def test_it_names_the_calls_to_all_three_services(world: World) -> None:
    """The journey of one job reads and commits in Firestore, writes and reads Cloud Storage, and asks OpenAI."""
    names = {call.name for call in (await _answered(world)).calls}

    assert names >= {"firestore.BatchGetDocuments", "firestore.Commit", "firestore.RunQuery"}
    assert names >= {"storage.POST.upload", "storage.GET.download"}
    assert names >= {"openai.POST.files", "openai.POST.batches", "openai.GET.batches", "openai.GET.files.ID.content"}


async def test_it_does_not_count_the_tests_own_calls(world: World) -> None:
    """The world reads and writes the same emulators; only the functions' calls are theirs."""
    traffic = await _answered(world)
    number = len(traffic.calls)

    await world.jobs()
    await world.trigger("no-such-job")

    assert len(traffic.calls) == number


async def test_a_call_that_is_struck_fails_for_the_function(world: World) -> None:
    """The provider's 503 to the create reaches the function: its batch is not submitted, and nothing was created."""
    await _answered(world)
    traffic = Traffic(Strike(replace(FAULTS["503"], at="openai.POST.batches"), 0))
    await world.give("bob", 1)
    job_id = await world.write("bob")
    created = set(world.provider.batches)

    assert await traffic.invoke(lambda: world.trigger(job_id)) == 200

    assert [(call.name, fault.name) for call, fault in traffic.struck] == [("openai.POST.batches", "503")]
    assert set(world.provider.batches) == created
    assert [batch["status"] for batch in await world.open_batches()] == ["sealed"]


@pytest.mark.parametrize("number", range(0, 15, 4))
@pytest.mark.parametrize("moment", ["dies-before", "dies-after"])
async def test_a_dead_process_makes_no_further_call(world: World, moment: str, number: int) -> None:
    """Whatever its code still does, `finally` clauses included, the last call is the one at which it died."""
    traffic = Traffic(Strike(FAULTS[moment], number))
    await world.give("alice", 1)
    job_id = await world.write("alice")

    assert await traffic.invoke(lambda: world.trigger(job_id)) is None

    assert [call.number for call, _ in traffic.struck] == [number]
    assert (len(traffic.calls), traffic.deaths) == (number + 1, 1)
    world.set_env()
    assert await traffic.invoke(world.tick) == 200, "the next process lives"
    assert len(traffic.calls) > number + 1


@pytest.mark.parametrize(
    ("name", "status"),
    [("lost", "queued"), ("unavailable", "created"), ("late-2", "created"), ("dies-after", "queued")],
)
async def test_what_becomes_of_a_struck_commit_is_what_the_fault_says(world: World, name: str, status: str) -> None:
    """A lost commit took effect, a refused one did not, and a late one takes effect when it lands."""
    traffic = Traffic(Strike(FAULTS[name], 2), Strike(FAULTS["dies-before"], 3))
    await world.give("alice", 1)
    job_id = await world.write("alice")

    assert await traffic.invoke(lambda: world.trigger(job_id)) is None

    assert traffic.struck[0][0].name == "firestore.Commit"
    assert (await world.job(job_id))["status"] == status
    await traffic.land()
    assert (await world.job(job_id))["status"] == ("created" if name == "unavailable" else "queued")


async def test_a_late_call_lands_after_its_lag(world: World) -> None:
    """The admitting commit is said to have timed out; two calls later it has landed, and the function finds it done."""
    traffic = Traffic(Strike(FAULTS["late-2"], 2))
    await world.give("alice", 1)
    job_id = await world.write("alice")

    assert await traffic.invoke(lambda: world.trigger(job_id)) == 200

    assert (await world.job(job_id))["status"] == "processing"
    assert (await world.read("wallets/alice"))["balance"] == 0


async def test_the_clients_of_a_dead_process_reach_no_service_from_outside_either(world: World) -> None:
    """A writer that is collected as garbage later would begin its upload; its client is as dead as its owner."""
    await _answered(world)
    traffic = Traffic(Strike(replace(FAULTS["dies-before"], at="storage.POST.upload"), 0))
    await world.give("bob", 1)
    job_id = await world.write("bob")

    assert await traffic.invoke(lambda: world.trigger(job_id)) is None

    assert [call.name for call, _ in traffic.struck] == ["storage.POST.upload"]
    with pytest.raises(ProcessDied):
        world._runtimes[0].artifacts.blob("left").upload_from_string(b"")
