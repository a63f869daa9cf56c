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
    from pydantic import SecretStr

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

    def has(self, name: str) -> bool:
        """Whether the provider of this name has a key here. No adapter is opened."""
        return self._missing(name) is None

    def named(self, name: str) -> "Provider":
        """The adapter of this name. Raises ProviderMissing if it has no key here, or is not known."""
        if name not in self.opened:
            if reason := self._missing(name):
                raise ProviderMissing(reason)
            self.opened[name] = _OPENERS[name](self._settings)
        return self.opened[name]

    def _missing(self, name: str) -> str | None:
        """Why the provider of this name is absent; None if it is here."""
        if name not in _OPENERS:
            return f"this version knows no provider of the name of {name[:40]!r}"
        return None if _key_of(self._settings, name) else f"{name.upper()}_API_KEY is not set"

    def configured(self) -> "list[Provider]":
        """Every provider that has a key here. Raises ProviderMissing if none has one."""
        found = [self.named(name) for name in _OPENERS if self._missing(name) is None]
        if not found:
            raise ProviderMissing(f"none of {', '.join(f'{name.upper()}_API_KEY' for name in _OPENERS)} is set")
        return found


def _key_of(settings: "Settings", name: str) -> str:
    """The provider's key; empty if there is none."""
    key: SecretStr | None = getattr(settings, f"{name}_api_key")
    return key.get_secret_value() if key else ""


def _openai(settings: "Settings") -> "Provider":
    from nightshift.providers.openai.client import OpenAIProvider

    return OpenAIProvider(
        api_key=_key_of(settings, "openai"), base_url=settings.openai_base_url, project=settings.project
    )


_OPENERS: "Final[Mapping[str, Callable[[Settings], Provider]]]" = {"openai": _openai}
