"""What a batch's document says that it cost: the provider's own count of tokens, at listed prices."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule
from local.provider_server.batches import Batch, Usage
from tests.batches.test_results import RIGHT_ANSWER
from tests.support.promises import assert_promises_kept
from tests.support.world import World

# gpt-5-mini: https://openai.com/api/pricing
INPUT_USD, CACHED_USD, OUTPUT_USD = 0.25e-6, 0.025e-6, 2e-6


class _NoUsage(Usage):
    """Of a provider that counts no tokens for a batch."""

    def as_json(self) -> dict[str, Any]:
        """Nothing that would be a usage."""
        return {}


def _stating(usage: Usage) -> Callable[[Batch, list[bytes]], list[bytes]]:
    """The batch states this usage, and each of its lines 1,000 tokens in and 500 out."""

    def edit(batch: Batch, lines: list[bytes]) -> list[bytes]:
        batch.usage = usage
        answers = [json.loads(line) for line in lines]
        for answer in answers:
            answer["response"]["body"]["usage"] |= {"prompt_tokens": 1_000, "completion_tokens": 500}
        return [json.dumps(answer).encode() for answer in answers]

    return edit


@pytest.mark.parametrize(
    ("stated", "input_tokens", "output_tokens"),
    [(Usage(input_tokens=2_000_000, output_tokens=1_000_000), 2_000_000, 1_000_000), (_NoUsage(), 3_000, 1_500)],
    ids=["by the provider's count", "by the sum of its lines"],
)
async def test_a_batch_says_what_it_cost_and_what_it_would_have_cost_at_once(
    world: World, stated: Usage, input_tokens: int, output_tokens: int
) -> None:
    """The provider's count is the truth; where it gives none, that of the lines. A batch costs half."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.script.edit_output = _stating(stated)
    await world.give("alice", 3)
    job_ids = [await world.write() for _ in range(3)]
    world.pass_time(hours=1)

    await world.finish()

    (batch,) = await world.batches()
    realtime_usd = input_tokens * INPUT_USD + output_tokens * OUTPUT_USD
    assert batch["usage"] == {"inputTokens": input_tokens, "outputTokens": output_tokens}
    assert batch["realtimeCostUsd"] == pytest.approx(realtime_usd)
    assert batch["costUsd"] == pytest.approx(realtime_usd / 2)
    for job_id in job_ids:
        assert (await world.job(job_id))["costUsd"] == pytest.approx((1_000 * INPUT_USD + 500 * OUTPUT_USD) / 2)
    await assert_promises_kept(world)


@pytest.mark.parametrize("speed", ["batch", "instant"])
async def test_cached_input_tokens_cost_what_the_list_says_of_them(world: World, speed: str) -> None:
    """On the job, its classification and the batch's own count, in a batch at half the price."""
    stated = {
        "prompt_tokens": 2_000,
        "completion_tokens": 500,
        "prompt_tokens_details": {"cached_tokens": 1_536},
    }
    world.provider.faults.add(ReplyRule(reply=Reply(content=RIGHT_ANSWER, usage=stated)))
    await world.give("alice", 5)
    job_id = await world.submit(speed=speed)
    await world.finish()

    usage = {"inputTokens": 2_000, "outputTokens": 500, "cachedInputTokens": 1_536}
    realtime_usd = (2_000 - 1_536) * INPUT_USD + 1_536 * CACHED_USD + 500 * OUTPUT_USD
    job = await world.job(job_id)
    assert job["usage"] == (await world.read(f"classifications/{job_id}"))["usage"] == usage
    assert job["costUsd"] == pytest.approx(realtime_usd / (2 if speed == "batch" else 1))
    assert [batch["usage"] for batch in await world.batches()] == ([usage] if speed == "batch" else [])
    for batch in await world.batches():
        assert (batch["realtimeCostUsd"], batch["costUsd"]) == pytest.approx((realtime_usd, realtime_usd / 2))
    await assert_promises_kept(world)
