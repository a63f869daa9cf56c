"""The lanes that the local stack has beside OpenAI's, as long as no model is asked.

Each has a server in a process of its own that speaks the provider's API. What the stand-in answers is the same
everywhere; what differs is how it is asked: batches inline or by file, keys, codes, results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class LocalLane:
    """A provider, and the job type that is answered there."""

    provider: str
    model: str
    job_type: str

    @property
    def name(self) -> str:
        """As the stack prints its server."""
        return f"{self.provider.capitalize()}'s API"

    @property
    def package(self) -> str:
        """The package of its server."""
        return f"local.{self.provider}_server"

    @property
    def api_key(self) -> str:
        """With which the functions call."""
        return f"local-{self.provider}-key"

    def environment(self, address: str) -> dict[str, str]:
        """The settings by which the functions find it. `address` is HOST:PORT."""
        prefix = self.provider.upper()
        return {f"{prefix}_API_KEY": self.api_key, f"{prefix}_BASE_URL": f"http://{address}"}


LOCAL_LANES: Final = (
    LocalLane(provider="anthropic", model="claude-haiku-4-5", job_type="creative_scoring"),
    LocalLane(provider="gemini", model="gemini-2.5-flash", job_type="hook_generation"),
)


def models_setting(lanes: Sequence[LocalLane]) -> Mapping[str, str]:
    """NIGHTSHIFT_MODELS for these lanes; nothing for none."""
    models = ", ".join(f"{lane.job_type}={lane.provider}:{lane.model}" for lane in lanes)
    return {"NIGHTSHIFT_MODELS": models} if models else {}
