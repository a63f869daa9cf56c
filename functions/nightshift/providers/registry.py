"""The providers that there are: their names, their facts, and how the adapter of each is opened.

A provider without a key is absent: it opens no lane, and nothing is listed there. Adapters are imported when they are
first asked for, since their SDKs cost a cold start; the facts about them cost nothing.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from nightshift.functions import key_variable
from nightshift.providers.anthropic.traits import TRAITS as ANTHROPIC
from nightshift.providers.base import ProviderMissing
from nightshift.providers.gemini.traits import TRAITS as GEMINI
from nightshift.providers.groq.traits import TRAITS as GROQ
from nightshift.providers.openai.traits import TRAITS as OPENAI
from nightshift.providers.traits import Traits
from nightshift.providers.xai.traits import TRAITS as XAI
from nightshift.values.lane import Lane
from nightshift.values.model_name import ModelName

if TYPE_CHECKING:
    from nightshift.providers.base import Provider
    from nightshift.settings import Access, Settings

TRAITS: Final[Mapping[str, Traits]] = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "groq": GROQ,
    "xai": XAI,
}


def lane_of(model: str, *, is_vector: bool = False) -> Lane:
    """The lane of a model, by the name that a setting or a job type gives it.

    Args:
        is_vector: its answers are vectors.

    Raises:
        ValueError: an unknown provider, or one that answers with no vectors.
    """
    name = ModelName.parse(model)
    traits = TRAITS[name.provider]
    endpoint = traits.embeddings_endpoint if is_vector else traits.endpoint
    if endpoint is None:
        raise ValueError(f"{name.provider} has no embeddings")
    return Lane(provider=name.provider, endpoint=endpoint, model=name.model)


class Providers:
    """The adapters of one function instance, each opened when it is first used and then kept."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self.opened: dict[str, Provider] = {}

    def has(self, name: str) -> bool:
        """Whether there is a key for this provider here."""
        return name in _OPENERS and self._settings.access_to(name) is not None

    def named(self, name: str) -> "Provider":
        """The adapter of this name. Raises ProviderMissing if it has no key here, or is not known."""
        if name not in self.opened:
            if name not in _OPENERS:
                raise ProviderMissing(f"this version knows no provider of the name of {name[:40]!r}")
            access = self._settings.access_to(name)
            if access is None:
                raise ProviderMissing(f"{key_variable(name)} is not set")
            self.opened[name] = _OPENERS[name](access)
        return self.opened[name]

    def configured(self) -> "list[Provider]":
        """Every provider that has a key here. Raises ProviderMissing if none has one."""
        found: list[Provider] = []
        missing: list[ProviderMissing] = []
        for name in _OPENERS:
            try:
                found.append(self.named(name))
            except ProviderMissing as without_key:
                missing.append(without_key)
        if missing and not found:
            raise missing[0]
        return found


def _openai(access: "Access") -> "Provider":
    from nightshift.providers.openai.client import OpenAIProvider

    return OpenAIProvider(api_key=access.api_key, base_url=access.base_url, project=access.project)


def _anthropic(access: "Access") -> "Provider":
    from nightshift.providers.anthropic.client import AnthropicProvider

    return AnthropicProvider(api_key=access.api_key, base_url=access.base_url)


def _gemini(access: "Access") -> "Provider":
    from nightshift.providers.gemini.client import GeminiProvider

    return GeminiProvider(api_key=access.api_key, base_url=access.base_url, project=access.project)


def _groq(access: "Access") -> "Provider":
    from nightshift.providers.groq.client import GroqProvider

    return GroqProvider(api_key=access.api_key, base_url=access.base_url, project=access.project)


def _xai(access: "Access") -> "Provider":
    from nightshift.providers.xai.client import XaiProvider

    return XaiProvider(api_key=access.api_key, base_url=access.base_url, project=access.project)


_OPENERS: "Final[Mapping[str, Callable[[Access], Provider]]]" = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "groq": _groq,
    "xai": _xai,
}
