"""What gives the answers: the stand-in, a server of the developer's own, or OpenAI itself.

Without anything set it is the stand-in, and no model is asked. OPENAI_BASE_URL names an OpenAI-compatible server, with
OPENAI_API_KEY as its key. `LIVE=1` is OpenAI itself. A model server on one's own computer seldom knows batches. Then
the local server keeps the batches, and asks that server for each answer. `UPSTREAM` names such a server outright.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from local.errors import StackError

_LOCAL_API_KEY = "sk-local-nightshift"
_UNKNOWN_THERE = {404, 405, 501}
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Who answers, and how the functions reach it."""

    sentence: str
    api_key: str = _LOCAL_API_KEY  # with which the functions call
    base_url: str | None = None  # where they call; None = the local server, "" = OpenAI's own address
    upstream: str | None = None  # whom the local server asks; None = the stand-in
    upstream_key: str = ""
    upstream_concurrency: int = 8
    model: str = ""  # which one the functions ask for; empty = the setting's own

    @property
    def is_stand_in(self) -> bool:
        """Whether no model is asked, and the time that an answer takes can be chosen."""
        return self.base_url is None and self.upstream is None


STAND_IN = Answering(
    sentence="No model is asked: a stand-in answers, and says so. OPENAI_BASE_URL names another server, "
    "LIVE=1 asks OpenAI itself."
)


def upstream(url: str, *, key: str = "", model: str = "", concurrency: int = 1) -> Answering:
    """The local server keeps the batches, and asks the server at this base URL for each answer."""
    at_once = "one answer at a time" if concurrency == 1 else f"{concurrency} answers at a time"
    return Answering(
        sentence=f"{url} answers, asked by the local server for {at_once}.",
        upstream=url.rstrip("/"),
        upstream_key=key,
        upstream_concurrency=concurrency,
        model=model,
    )


async def who_answers(caller: Mapping[str, str], *, live: bool = False) -> Answering:
    """Who answers, by the caller's environment. Raises StackError if OpenAI's key is missing, or nothing answers."""
    key, url = caller.get("OPENAI_API_KEY", ""), caller.get("OPENAI_BASE_URL", "").rstrip("/")
    if live:
        if not key:
            raise StackError("OPENAI_API_KEY is not set, and without it OpenAI answers nothing.")
        aside = " OPENAI_BASE_URL is set aside." if url else ""
        return Answering(sentence=f"OpenAI itself answers, for money.{aside}", api_key=key, base_url="")
    if not url:
        return STAND_IN
    if await _knows_batches(url, key):
        sentence = f"{url} answers, as OPENAI_BASE_URL says."
        return Answering(sentence=sentence, api_key=key or _LOCAL_API_KEY, base_url=url)
    return Answering(
        sentence=f"{url} answers, as OPENAI_BASE_URL says. It has no /batches: the local server keeps the batches, and "
        "asks it for each answer.",
        upstream=url,
        upstream_key=key,
    )


async def _knows_batches(url: str, key: str) -> bool:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        try:
            answer = await client.get(f"{url}/batches", params={"limit": 1}, headers=headers)
        except httpx.HTTPError as error:
            raise StackError(f"OPENAI_BASE_URL is {url}, and nothing answers there ({type(error).__name__}).") from None
    if answer.status_code in {401, 403}:
        raise StackError(f"{url}, as OPENAI_BASE_URL says, refuses the key in OPENAI_API_KEY ({answer.status_code}).")
    return answer.status_code not in _UNKNOWN_THERE
