"""One user is erased everywhere, and no other. What remains is listed, with the reason."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from google.cloud.firestore import SERVER_TIMESTAMP

from local.openai_server import Reply, ReplyRule
from nightshift.batches import documents as batches
from nightshift.batches import transitions
from nightshift.batches.advance import stop
from nightshift.errors import TryLater
from tests.bulk.test_batch_mode import run_to_the_end
from tests.support.google_auth import GoogleAuth
from tests.support.operating import asked, nightshift, operate
from tests.support.patience import PATIENCE_SECONDS
from tests.support.promises import assert_promises_kept
from tests.support.world import World


class Erasure:
    """What one run of the command told."""

    def __init__(self, code: int, output: str, complaints: str) -> None:
        self.code = code
        self.complaints = complaints
        self.lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        self.remains = [line["remains"] for line in self.lines if "remains" in line]
        self.paths = [line["erased"]["path"] for line in self.lines if "erased" in line]

    @property
    def erased(self) -> dict[str, int]:
        """How many of each kind."""
        return dict(self.lines[-1]["summary"]["erased"])


async def erase(world: World, capsys: pytest.CaptureFixture[str], uid: str = "alice", **changes: Any) -> Erasure:
    """Run the command in this process."""
    return Erasure(*await operate(world, capsys, "erase", uid, "--yes", "--json", **changes))


async def spent_night(world: World) -> list[str]:
    """Two jobs of alice's and one of bob's answered in one batch, one of alice's declined; returns alice's."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), custom_id="job-alice-2"))
    await world.give("alice", 5)
    await world.give("bob", 2)
    photo = await world.upload("alice")
    await world.upload("bob")
    await world.write("alice", "alice-1", type="photo_rating", input={"imageUri": photo})
    await world.write("alice", "alice-2")
    await world.write("bob", "bob-1")
    world.pass_time(minutes=3)
    await world.finish()
    return ["alice-1", "alice-2"]


async def left_of(world: World, uid: str) -> list[str]:
    """The paths of all documents that name this user, or lie under the name."""
    left = []
    for collection in ("ai_jobs", "classifications", "notifications"):
        left += [
            f"{collection}/{key}"
            for key, fields in (await world.documents(collection)).items()
            if fields["userId"] == uid
        ]
    ledger = await world.documents(f"wallets/{uid}/ledger")
    wallet = [f"wallets/{uid}"] if await world.read(f"wallets/{uid}") else []
    return [*left, *wallet, *(f"wallets/{uid}/ledger/{entry}" for entry in ledger)]


async def stored(world: World) -> list[str]:
    """The names of all objects in both buckets."""
    runtime = world.operators_runtime()

    def names() -> list[str]:
        return [blob.name for bucket in (runtime.artifacts, runtime.uploads) for blob in bucket.list_blobs()]

    return await asyncio.to_thread(names)


async def test_everything_of_one_user_goes_and_nothing_of_another(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Documents, ledger and wallet, uploads, the batch's files; what bob has stays, and all promises are kept."""
    await spent_night(world)
    (batch,) = await world.batches()
    bob = await left_of(world, "bob")

    told = await erase(world, capsys)

    assert (told.code, told.remains) == (0, [])
    assert told.erased == {
        "ai_jobs": 2,
        "batch files": 2,
        "classifications": 1,
        "ledger entries": 4,
        "notifications": 2,
        "uploads": 1,
        "wallets": 1,
    }
    assert sorted(told.paths) == [
        f"batches/{batch['id']}/input.jsonl",
        f"batches/{batch['id']}/output.jsonl",
        "users/alice/photo.png",
    ]
    assert await left_of(world, "alice") == []
    assert await left_of(world, "bob") == bob
    assert await stored(world) == ["users/bob/photo.png"]
    await assert_promises_kept(world)


async def test_bulk_jobs_go_with_their_parts_sources_and_result_files(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of alice's all goes; bob's bulk job stays whole."""
    for uid in ("alice", "bob"):
        await world.give(uid, 5)
        source = {"uri": await world.upload(uid, "bulk/list.csv", b"text\njar\ntin\n")}
        await world.start_bulk(uid, f"{uid}-bulk", source=source, maxTokens=2)
        assert (await run_to_the_end(world, f"{uid}-bulk"))["status"] == "completed"
    of_bob = [name for name in await stored(world) if name.startswith(("bulk/bob-bulk/", "users/bob/"))]

    told = await erase(world, capsys)

    assert (told.code, told.remains) == (0, [])
    assert (await world.documents("bulk_jobs")).keys() == {"bob-bulk"}
    assert await world.parts("alice-bulk") == []
    assert len(await world.parts("bob-bulk")) == 1
    assert await left_of(world, "alice") == []
    assert "bulk/bob-bulk/results.jsonl" in of_bob
    assert [name for name in await stored(world) if not name.startswith("batches/")] == of_bob
    await assert_promises_kept(world, may_be_gone=True)


async def test_a_second_run_finds_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does a run for an unknown user, whatever the uid looks like."""
    await spent_night(world)
    await erase(world, capsys)

    for uid in ("alice", "unknown", "a b%2F..\\#?é", "*"):
        told = await erase(world, capsys, uid)
        assert (told.code, told.erased, told.remains) == (0, {}, [])

    code, output, _ = await operate(world, capsys, "erase", "unknown", "--yes")
    assert code == 0
    assert "There was nothing of unknown." in output


async def test_a_uid_that_begins_like_another_one_is_another_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """alice goes; alice2, al and a uid with a blank stay."""
    for uid in ("alice", "alice2", "al", "alice 2"):
        await world.give(uid, 1)
        await world.upload(uid)

    await erase(world, capsys)

    assert sorted(await stored(world)) == ["users/al/photo.png", "users/alice 2/photo.png", "users/alice2/photo.png"]
    assert set(await world.documents("wallets")) == {"al", "alice 2", "alice2"}


async def test_jobs_under_way_are_cancelled_and_the_others_in_their_batch_are_sent_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first run stops the batch and says what remains; the second, once it is closed, erases the rest."""
    world.provider.hold("in_progress")
    world.provider.hold("cancelling")
    await world.give("alice", 3)
    await world.give("bob", 1)
    for uid in ("alice", "bob", "alice"):
        await world.write(uid)
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    queued = await world.write("alice")

    told = await erase(world, capsys)
    assert told.code == 1
    assert told.remains == [f"2 of the user's jobs: their batch {batch['id']} is being stopped."]
    assert told.erased == {"jobs cancelled": 3, "batches stopped": 1, "ai_jobs": 1, "notifications": 1}
    assert await world.job(queued) == {}
    again = await erase(world, capsys)
    assert (again.code, again.erased) == (1, {}), "until the provider has ended it nothing more can be done"
    world.provider.release()
    await world.finish()
    told = await erase(world, capsys)

    assert (told.code, told.remains) == (0, [])
    assert told.erased["ai_jobs"] == 2
    assert await left_of(world, "alice") == []
    (job,) = (await world.jobs()).values()
    assert (job["userId"], job["status"], job["attempts"]) == ("bob", "completed", 1)
    assert all(f"batches/{batch['id']}/" not in name for name in await stored(world))
    await assert_promises_kept(world)


async def test_the_files_of_a_batch_that_a_job_has_left_go_too(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first answer was an error, so it was in two batches: the job's document names both."""
    world.provider.faults.add(ReplyRule(reply=Reply.http_error(500), times=1))
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()
    both = await world.batches()
    assert len(both) == 2

    told = await erase(world, capsys)

    assert {path.split("/")[1] for path in told.paths} == {batch["id"] for batch in both}
    assert await stored(world) == []


async def test_files_that_could_not_be_deleted_at_the_provider_are_deleted_now(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their batch was closed without that, after days; its document still has their ids."""
    await spent_night(world)
    (batch,) = await world.batches()
    async with httpx.AsyncClient(headers={"Authorization": "Bearer test-key"}, timeout=PATIENCE_SECONDS) as client:
        sent = await client.post(
            f"{world.base_url}/files", data={"purpose": "batch"}, files={"file": ("left.jsonl", b"{}\n")}
        )
    file_id = sent.json()["id"]
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"outputFileId": file_id})

    told = await erase(world, capsys)

    assert told.erased["files at the provider"] == 1
    assert file_id in told.paths
    assert not world.provider.files


async def test_what_hangs_on_a_job_that_is_gone_is_erased(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs expire before classifications do."""
    for job_id in await spent_night(world):
        await world.firestore.document(f"ai_jobs/{job_id}").delete()

    told = await erase(world, capsys)

    assert (told.code, told.erased["classifications"], told.erased["notifications"]) == (0, 1, 2)
    assert await left_of(world, "alice") == []


async def test_what_another_user_wrote_under_an_old_id_stays(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A notification under the id of alice's job that names bob is bob's."""
    await spent_night(world)
    await world.firestore.document("notifications/alice-1").update({"userId": "bob"})

    await erase(world, capsys)

    assert (await world.read("notifications/alice-1"))["userId"] == "bob"


async def test_many_pages_go_page_by_page(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven hundred jobs and their ledger take several commits each."""
    client = world.firestore
    await world.give("alice", 0)
    for start in range(0, 700, 175):
        commit = client.batch()
        for number in range(start, start + 175):
            fields = {"userId": "alice", "createdAt": SERVER_TIMESTAMP}
            commit.set(client.document(f"ai_jobs/old-{number}"), {**fields, "status": "failed"})
            commit.set(client.document(f"notifications/old-{number}"), fields)
            entry = {"amount": 0, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
            commit.set(client.document(f"wallets/alice/ledger/old-{number}"), entry)
        await commit.commit()

    told = await erase(world, capsys)

    assert (told.code, told.erased["ai_jobs"], told.erased["ledger entries"]) == (0, 700, 701)
    assert await left_of(world, "alice") == []


async def test_a_batch_under_another_lease_is_left_to_the_next_run(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process has its lease: the batch is not touched, and the rest of the user goes."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    runtime = world.operators_runtime()
    (batch,) = await world.batches()
    found = await batches.find(runtime, batch["id"])
    assert found
    holder = await transitions.take(runtime, found).lease.on_record()

    told = await erase(world, capsys)

    assert told.code == 1
    assert told.remains == [f"1 of the user's jobs: another process has the lease of their batch {batch['id']}."]
    await holder.write({}, release=True)
    assert (await erase(world, capsys)).code == 1
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    assert (await erase(world, capsys)).code == 0
    assert await left_of(world, "alice") == []


async def test_an_operators_own_wish_for_a_batch_stays(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """It is being cancelled, all of it; erasing one of its users does not send the others' jobs again."""
    world.provider.hold("in_progress")
    world.provider.hold("cancelling")
    await world.give("alice", 1)
    await world.give("bob", 1)
    await world.write("alice")
    await world.write("bob")
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    await stop(world.operators_runtime(), batch["id"], "cancel")

    assert (await erase(world, capsys)).code == 1
    world.provider.release()
    await world.finish()
    assert (await erase(world, capsys)).code == 0

    assert [job["status"] for job in (await world.jobs()).values()] == ["cancelled"]


async def test_the_account_goes_first(world: World, tmp_path: Any) -> None:
    """firebase-admin deletes it at Google's own address; one that is gone is no reason to stop."""
    await spent_night(world)
    async with GoogleAuth(world.project).serve(tmp_path) as google:
        google.users["alice"] = {"localId": "alice"}
        environment = {**google.environment, "FIREBASE_AUTH_EMULATOR_HOST": ""}

        first = Erasure(*await nightshift("erase", "alice", "--yes", "--json", **environment))
        second = Erasure(*await nightshift("erase", "alice", "--yes", "--json", **environment))

    assert (first.code, first.complaints.count("Traceback"), first.erased["accounts"]) == (0, 0, 1)
    assert "alice" not in google.users
    assert (second.code, second.erased) == (0, {})


async def test_while_firebase_auth_cannot_be_asked_nothing_is_erased(world: World, tmp_path: Any) -> None:
    """The account would go on writing, so the command says so and changes nothing."""
    await spent_night(world)
    before = await left_of(world, "alice")
    async with GoogleAuth(world.project).serve(tmp_path) as google:
        google.hang_up("identitytoolkit.googleapis.com")
        environment = {**google.environment, "FIREBASE_AUTH_EMULATOR_HOST": ""}

        code, _, complaints = await nightshift("erase", "alice", "--yes", **environment)

        assert code == 2
        assert "Firebase Auth did not delete the account" in complaints
        assert await left_of(world, "alice") == before
        assert (await nightshift("erase", "alice", "--yes", "--keep-account", **environment))[0] == 0
    assert await left_of(world, "alice") == []


async def test_without_an_auth_emulator_the_account_is_listed_as_skipped(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack of the Firestore emulator alone has no accounts."""
    code, output, _ = await operate(world, capsys, "erase", "unknown", "--yes")

    assert code == 0
    assert "The account was not looked for: no Auth emulator answers." in output


async def test_it_is_done_only_if_the_uid_is_typed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A yes is not enough, since nothing brings a user back."""
    await spent_night(world)
    before = await left_of(world, "alice")

    code, _, complaints = await asked(world, capsys, "yes", "erase", "alice")
    assert (code, "Type alice to go on" in complaints) == (1, True)
    assert "2 jobs" in complaints
    assert await left_of(world, "alice") == before

    code, output, _ = await asked(world, capsys, "alice", "erase", "alice")
    assert (code, "Nothing is left of alice." in output) == (0, True)
    assert await left_of(world, "alice") == []


async def test_nothing_that_a_user_wrote_or_got_is_printed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as a table nor as JSON, nor in the log."""
    await world.give("alice", 1)
    await world.submit("alice", input={"text": "a very secret bottle"})
    await world.finish()
    answer = next(iter((await world.jobs()).values()))["result"]["itemName"]

    _, output, log = await operate(world, capsys, "erase", "alice", "--yes")

    assert "secret" not in output + log
    assert answer not in output + log


async def test_without_the_providers_key_nothing_is_begun(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Its files could not be deleted; the sentence names the variable."""
    await spent_night(world)
    before = await left_of(world, "alice")

    told = await operate(world, capsys, "erase", "alice", "--yes", openai_api_key=None)

    assert told[0] == 2
    assert "OPENAI_API_KEY" in told[2]
    assert await left_of(world, "alice") == before


async def test_a_provider_that_does_not_answer_keeps_what_names_its_files(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The jobs of that batch stay, and the next run goes on."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")

    async def no_answer(*_: object) -> None:
        raise TryLater("the provider is away")

    runtime = world.operators_runtime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(runtime.providers.named("openai")), "cancel", no_answer)
        told = await erase(world, capsys)

    assert told.code == 1
    assert "cannot be now: the provider is away" in told.remains[0]
    world.provider.release()
    await world.finish()
    assert (await erase(world, capsys)).code == 0
