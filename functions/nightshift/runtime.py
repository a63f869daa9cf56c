"""The clients of one function instance, each built when it is first used and then kept.

Nothing is built at import: a cold start is a user waiting, and an `AsyncClient` belongs to the event loop in
which it is first used.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from nightshift.errors import InvalidSettings
from nightshift.settings import Settings

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient
    from google.cloud.storage import Bucket, Client
    from google.pubsub_v1 import PublisherAsyncClient

    from nightshift.instance import Instance
    from nightshift.providers.base import Provider
    from nightshift.providers.openai.events import OpenAIEvents
    from nightshift.providers.registry import Providers
    from nightshift.values.lane import Lane


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Runtime:
    """Settings, clock and clients, as one argument to all that does I/O."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.now = now

    @cached_property
    def instance(self) -> "Instance":
        """What this instance keeps between its calls."""
        from nightshift.instance import Instance

        return Instance(self)

    @property
    def today(self) -> str:
        """The day in UTC, as `2025-06-19`."""
        return self.now().astimezone(UTC).date().isoformat()

    def time_limit(self, seconds: float) -> "TimeLimit":
        """A time limit that begins now."""
        return TimeLimit(self.now, self.now() + timedelta(seconds=seconds))

    @cached_property
    def firestore(self) -> "AsyncClient":
        """Firestore; with FIRESTORE_EMULATOR_HOST, the emulator."""
        from google.cloud.firestore import AsyncClient

        from nightshift import foreign_references

        foreign_references.read_foreign_ones()
        return AsyncClient(project=self.settings.project)

    @cached_property
    def _storage(self) -> "Client":
        from google.cloud.storage import Client

        return Client(project=self.settings.project)

    @cached_property
    def artifacts(self) -> "Bucket":
        """The bucket of batch inputs and outputs."""
        return self._storage.bucket(self.settings.bucket)

    @cached_property
    def uploads(self) -> "Bucket":
        """The bucket into which the app uploads images."""
        return self._storage.bucket(self.settings.uploads_bucket)

    @cached_property
    def publisher(self) -> "PublisherAsyncClient":
        """Pub/Sub, to publish; with PUBSUB_EMULATOR_HOST, to the emulator."""
        from google.pubsub_v1 import PublisherAsyncClient

        if self.settings.pubsub_emulator is None:
            return PublisherAsyncClient()
        import grpc
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

        channel = grpc.aio.insecure_channel(self.settings.pubsub_emulator)
        return PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))

    @cached_property
    def providers(self) -> "Providers":
        """The providers of answers."""
        from nightshift.providers.registry import Providers

        return Providers(self.settings)

    def provider_for(self, lane: "Lane") -> "Provider":
        """The provider of a lane's answers. Raises ProviderMissing if it has no key here."""
        return self.providers.named(lane.provider)

    @cached_property
    def openai_events(self) -> "OpenAIEvents":
        """OpenAI's events, believed by their signatures."""
        from nightshift.providers.openai.events import OpenAIEvents

        if self.settings.openai_webhook_secret is None:
            raise InvalidSettings("OPENAI_WEBHOOK_SECRET: this function needs it")
        return OpenAIEvents(self.settings.openai_webhook_secret.get_secret_value())


class TimeLimit:
    """How long a run may go on.

    It is asked between two steps, so a run stops cleanly and leaves the rest to the next.
    """

    def __init__(self, now: Callable[[], datetime], ends_at: datetime) -> None:
        self._now = now
        self._ends_at = ends_at

    def share(self, part: float) -> "TimeLimit":
        """A part, from 0 to 1, of the time that is left of it now."""
        now = self._now()
        return TimeLimit(self._now, now + (self._ends_at - now) * part)

    @property
    def is_over(self) -> bool:
        """Whether no further step may be begun."""
        return self._now() >= self._ends_at
