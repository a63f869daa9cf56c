"""The local provider's limit of direct chat completions a minute, as the published headers tell it."""

import pytest
from openai import RateLimitError

from local.openai_server import OpenAIServer
from local.openai_server.rate_limit import RateLimit, RateLimited
from nightshift.providers.base import NOTHING_SAID, ProviderRateLimited, RateLimits
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.providers.request import Request


def test_what_is_taken_comes_back_evenly() -> None:
    """Of 60 a minute one comes back each second; the headers say what is left, and when all are back."""
    clock = [100.0]
    limit = RateLimit(60, 0, lambda: clock[0])
    first = limit.take()
    assert first["x-ratelimit-limit-requests"] == "60"
    assert first["x-ratelimit-remaining-requests"] == "59"
    assert first["x-ratelimit-reset-requests"] == "1s"
    for _ in range(59):
        limit.take()

    with pytest.raises(RateLimited) as limited:
        limit.take()

    assert limited.value.headers["retry-after"] == "1"
    assert limited.value.headers["x-ratelimit-remaining-requests"] == "0"
    clock[0] += 2.5
    assert [limit.take()["x-ratelimit-remaining-requests"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(RateLimited):
        limit.take()


def test_no_limit_says_nothing() -> None:
    """As a server without one does."""
    assert RateLimit(0, 0, lambda: 0.0).take() == {}


_REQUEST = Request(
    job_id="one",
    model="m",
    instructions="Answer.",
    text="x",
    image=None,
    schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    schema_name="nothing",
    max_output_tokens=10,
)


async def test_the_provider_reads_the_limits_with_each_answer_and_with_each_refusal() -> None:
    """Of the second request of two that are allowed a minute, and of the third, which says when to come again."""
    server = OpenAIServer(requests_per_minute=2, now=lambda: 0.0)
    async with server.serve() as base_url:
        provider = OpenAIProvider(api_key="x", base_url=base_url, project="p")
        await provider.answer(_REQUEST, 10)
        answered = await provider.answer(_REQUEST, 10)
        assert answered.limits == RateLimits(requests=2, remaining_requests=0, requests_reset_seconds=60)
        assert answered.line.job_id == "one"

        with pytest.raises(ProviderRateLimited) as limited:
            await provider.answer(_REQUEST, 10)

        assert limited.value.retry_after_seconds == 30
        assert limited.value.limits == RateLimits(requests=2, remaining_requests=0, requests_reset_seconds=60)
        assert isinstance(limited.value.__cause__, RateLimitError)


async def test_a_provider_that_says_nothing_of_its_limits_is_answered_by_none() -> None:
    """Many compatible servers send no such header."""
    async with OpenAIServer().serve() as base_url:
        provider = OpenAIProvider(api_key="x", base_url=base_url, project="p")
        assert (await provider.answer(_REQUEST, 10)).limits == NOTHING_SAID
