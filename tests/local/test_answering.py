"""What answers on the local stack: the stand-in, a server that OPENAI_BASE_URL names, or OpenAI itself."""

import pytest

from local.answering import STAND_IN, who_answers
from local.errors import StackError
from local.openai_server import OpenAIServer
from local.ports import free_ports


async def test_without_variables_the_stand_in_answers() -> None:
    """And says how that is changed; a key alone changes nothing."""
    assert await who_answers({"OPENAI_API_KEY": "sk-real"}) is STAND_IN
    assert "OPENAI_BASE_URL" in STAND_IN.sentence


async def test_live_is_openai_itself() -> None:
    """With the caller's key, also where OPENAI_BASE_URL names another server; without a key nothing starts."""
    live = await who_answers({"OPENAI_API_KEY": "sk-real", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, live=True)

    assert (live.base_url, live.api_key, live.is_stand_in) == ("", "sk-real", False)
    assert "OPENAI_BASE_URL is set aside" in live.sentence
    with pytest.raises(StackError, match="OPENAI_API_KEY is not set"):
        await who_answers({}, live=True)


async def test_a_server_with_batches_is_called_as_it_is() -> None:
    """With its key; one that refuses the key, or is not there, stops the start with a sentence."""
    server = OpenAIServer("sk-theirs")
    async with server.serve() as url:
        answering = await who_answers({"OPENAI_BASE_URL": f"{url}/", "OPENAI_API_KEY": "sk-theirs"})
        assert (answering.base_url, answering.api_key, answering.upstream) == (url, "sk-theirs", None)
        assert url in answering.sentence
        with pytest.raises(StackError, match="refuses the key"):
            await who_answers({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "another"})
    with pytest.raises(StackError, match="nothing answers there"):
        await who_answers({"OPENAI_BASE_URL": f"http://127.0.0.1:{free_ports(1)[0]}/v1"})
