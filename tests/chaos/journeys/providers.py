"""Each provider beside OpenAI, and the rescue of what is late or broken in one lane by another."""

from local.openai_server import RequestFault
from tests.chaos.journeys.journey import journey
from tests.chaos.journeys.operators import stop_batch
from tests.chaos.journeys.stage import Stage

_NO_MODEL = {"error": {"code": "model_not_found", "message": "The model does not exist.", "type": "invalid_request"}}


@journey(provider="anthropic")
async def anthropic(stage: Stage) -> None:
    """At Anthropic, which keeps no stamp: as at Groq, and a lost batch is adopted by evidence."""
    await stop_batch(stage, "retry")


@journey(provider="gemini", answers=2)
async def gemini(stage: Stage) -> None:
    """At Gemini: three jobs of two users; their batch is stopped with one answered, which it does not give back."""
    await stop_batch(stage, "retry")


@journey(provider="groq")
async def groq(stage: Stage) -> None:
    """At Groq: three jobs of two users; their batch is stopped with one answered, and two are sent again."""
    await stop_batch(stage, "retry")


@journey(provider="xai")
async def xai(stage: Stage) -> None:
    """At xAI: three jobs of two users; their batch is stopped with one answered, and two are sent again."""
    await stop_batch(stage, "retry")


@journey()
async def move_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is moved by an operator with one answered, and two go to another lane."""
    stage.world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    await stop_batch(stage, "move")


@journey()
async def move_late(stage: Stage) -> None:
    """Three jobs of two users; their batch is late with one answered, and a tick moves the two others."""
    world = stage.world
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 2)
    await world.give("bob", 1)
    await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1"))
    world.pass_time(hours=21)
    await stage.tick()
    world.provider.release()
    await stage.finish()


@journey()
async def move_broken(stage: Stage) -> None:
    """Two jobs, whose model is not there for their lane: what waits, and what has not been sent, goes to another."""
    world = stage.world
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=404, body=_NO_MODEL, times=2))
    await world.give("alice", 2)
    await stage.write("alice", "alice-1")
    await stage.write("alice", "alice-2")
    await stage.finish()
