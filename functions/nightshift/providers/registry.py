"""The providers that there are: their names, their facts, and how the adapter of each is opened.

A provider without a key is absent: it opens no lane, and nothing is listed there. Adapters are imported when they are
first asked for, since their SDKs cost a cold start; the facts about them cost nothing.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from nightshift.providers.base import ProviderMissing
from nightshift.providers.openai.traits import TRAITS as OPENAI
from nightshift.providers.traits import Traits
from nightshift.values.lane import Lane

if TYPE_CHECKING:
    from nightshift.providers.base import Provider
    from nightshift.settings import Settings

TRAITS: Final[Mapping[str, Traits]] = {"openai": OPENAI}
_OF_A_BARE_MODEL: Final = "openai"


def lane_of(model: str) -> Lane:
    """The lane of a model, by the name that a setting or a job type gives it."""
    provider = _OF_A_BARE_MODEL
    return Lane(provider=provider, endpoint=TRAITS[provider].endpoint, model=model)


class Providers:
    """The adapters of one function instance, each opened when it is first used and then kept."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self.opened: dict[str, Provider] = {}

    def named(self, name: str) -> "Provider":
        """The adapter of this name. Raises ProviderMissing if it has no key here, or is not known."""
        if name not in self.opened:
            if name not in _OPENERS:
                raise ProviderMissing(f"this version knows no provider of the name of {name[:40]!r}")
            self.opened[name] = _OPENERS[name](self._settings)
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


def _openai(settings: "Settings") -> "Provider":
    if settings.openai_api_key is None:
        raise ProviderMissing("OPENAI_API_KEY is not set")
    from nightshift.providers.openai.client import OpenAIProvider

    return OpenAIProvider(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        project=settings.project,
    )


_OPENERS: "Final[Mapping[str, Callable[[Settings], Provider]]]" = {"openai": _openai}
