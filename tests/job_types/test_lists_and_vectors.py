"""Job types with fields of their own, and the one whose answer is a vector, from the app's document to a search."""

import json

import pytest
from google.cloud.firestore import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector
from pydantic import ValidationError

from local.openai_server import Reply, ReplyRule
from local.part import ROOT
from nightshift import job_types
from nightshift.errors import JobRefused
from nightshift.job_types.base import listed
from nightshift.jobs.answer import Answer, NoAnswer, answer_of
from nightshift.providers.result_line import ResultLine
from nightshift.values.trouble import Trouble
from tests.support.promises import assert_promises_kept
from tests.support.world import World

_LIKELY = {"label": "leaves", "probability": 0.9, "explanation": "It is so."}


def _prediction(*labels: str) -> ResultLine:
    shares = [{"label": label, "probability": 1 / len(labels)} for label in labels]
    return ResultLine(job_id="one", text=json.dumps(_LIKELY | {"probabilities": shares}), stop="end")


def test_a_prediction_is_one_of_the_labels_that_were_given() -> None:
    """A label that the model made up is no answer; its job is asked for again."""
    job_type = job_types.find("bulk_prediction")
    labels = {"labels": "stays, leaves"}

    assert isinstance(answer_of(_prediction("stays", "leaves"), job_type, labels), Answer)
    for made_up in (_prediction("stays", "leaves", "returns"), ResultLine(job_id="one", text="{}", stop="end")):
        wrong = answer_of(made_up, job_type, labels)
        assert isinstance(wrong, NoAnswer)
        assert wrong.trouble is Trouble.ANSWER_INVALID
    with pytest.raises(JobRefused):
        job_type.check_input({"text": "age: 41", "labels": "only one, only one,"})


def test_a_list_is_a_text_so_that_a_tables_cell_can_hold_it() -> None:
    """With commas, semicolons or lines between the names, each once; the model reads them one a line."""
    assert listed(" a, b;c\n\na ,") == ["a", "b", "c"]
    creative = job_types.find("creative_scoring")
    asked = creative.words(creative.check_input({"text": "Buy now", "criteria": "clarity, trust"}))
    assert asked == "Criteria:\n- clarity\n- trust\n\nAdvertisement:\nBuy now"


def test_opening_lines_come_the_best_first() -> None:
    """In whatever order the model has written them."""
    job_type = job_types.find("hook_generation")
    hooks = [{"line": f"Line {score}", "approach": "question", "score": score} for score in (10, 90, 50)]

    result = job_type.check_result(json.dumps({"hooks": hooks}))

    assert [hook.score for hook in result.hooks] == [90, 50, 10]
    assert job_type.summarize(result) == "Line 90"
    with pytest.raises(ValidationError):
        job_type.check_result('{"hooks": []}')


@pytest.mark.parametrize("name", ["hook_generation", "personalized_text"])
def test_who_sends_a_photo_where_a_text_is_needed_reads_so(name: str) -> None:
    """And not that the app needs an update."""
    with pytest.raises(JobRefused) as refused:
        job_types.find(name).check_input({"imageUri": "gs://bucket/users/alice/a.png"})
    assert refused.value.message == "Add a text."


async def test_embeddings_go_in_batches_and_instantly_and_are_found_by_nearness(world: World) -> None:
    """They have a lane of their own; the vector is Firestore's own, on the job and on its classification."""
    await world.give("alice", 20)
    texts = {"glass": "an empty glass bottle", "jar": "a glass jar", "cat": "my cat sleeps"}
    for job_id, text in texts.items():
        await world.write("alice", job_id, type="embedding", input={"text": text})
        assert await world.trigger(job_id) == 200
    await world.submit("alice", "now", type="embedding", speed="instant", input={"text": "a broken glass"})
    await world.submit("alice", "other")
    await world.finish()

    lanes = {batch["lane"] for batch in await world.batches()}
    assert lanes == {"openai:/v1/embeddings:text-embedding-3-small", "openai:/v1/chat/completions:gpt-5-mini"}
    jobs = await world.jobs("completed")
    assert jobs.keys() == {*texts, "now", "other"}
    assert isinstance(jobs["jar"]["result"]["vector"], Vector)
    assert (await world.read("classifications/jar"))["vector"] == jobs["jar"]["result"]["vector"]
    assert jobs["jar"]["usage"]["inputTokens"] > 0
    assert jobs["jar"]["costUsd"] > 0
    nearest = world.firestore.collection("classifications").where(filter=FieldFilter("userId", "==", "alice"))
    query = nearest.find_nearest(
        "vector", jobs["jar"]["result"]["vector"], limit=4, distance_measure=DistanceMeasure.COSINE
    )
    found = [each.id for each in await query.get()]
    assert (found[0], found[-1]) == ("jar", "cat")
    await assert_promises_kept(world)


async def test_a_prediction_is_judged_by_its_labels_in_a_batch_too(world: World) -> None:
    """A line is settled without its job's input, but for the fields by which the type judges."""
    await world.give("alice", 2)
    world.provider.faults.add(
        ReplyRule(Reply(content=json.loads(_prediction("leaves", "returns").text or "")), times=1)
    )

    job_id = await world.submit("alice", type="bulk_prediction", input={"text": "age: 41", "labels": "stays, leaves"})
    await world.provider.settled()
    assert await world.tick() == 200

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) in {("queued", 1), ("processing", 2)}
    world.provider.faults.add(ReplyRule(Reply(content=json.loads(_prediction("leaves", "stays").text or ""))))
    await world.finish()
    assert (await world.job(job_id))["result"]["label"] == "leaves"
    await assert_promises_kept(world)


def test_the_index_of_vectors_is_that_of_the_job_type() -> None:
    """As many numbers as the model is asked for."""
    declared = json.loads((ROOT / "firestore.indexes.json").read_text())["indexes"]
    found = [field["vectorConfig"] for entry in declared for field in entry["fields"] if "vectorConfig" in field]
    assert [config["dimension"] for config in found] == [job_types.find("embedding").dimensions]
