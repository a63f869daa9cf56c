"""The clients of Cloud Scheduler and Pub/Sub for one project and region, each call of theirs bounded in time.

Every call may be repeated: a create that is repeated after a lost answer meets its own work (`ALREADY_EXISTS`), and the
callers then read again and compare. So the libraries' own repetition is on, for what passes.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import CloudSchedulerGrpcAsyncIOTransport
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from scheduler.errors import SchedulerError

_EMULATOR: Final = "PUBSUB_EMULATOR_HOST"
_LOCAL_HOSTS: Final = {"localhost", "127.0.0.1"}
_ONE_CALL_SECONDS: Final = 20.0
_PASSING: Final = if_exception_type(
    exceptions.Aborted,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
)


@dataclass(frozen=True, kw_only=True)
class SchedulerClients:
    """Clients, and the names of things as the services spell them."""

    project: str
    location: str
    schedules: CloudSchedulerAsyncClient
    publisher: PublisherAsyncClient
    subscriber: SubscriberAsyncClient
    # For every call: `timeout` bounds one, and `retry` all repetitions of it together.
    call: dict[str, Any]

    @property
    def parent(self) -> str:
        """Where the schedules are."""
        return f"projects/{self.project}/locations/{self.location}"

    def job(self, name: str) -> str:
        """The full name of a schedule."""
        return f"{self.parent}/jobs/{name}"

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return f"projects/{self.project}/topics/{name}"

    def subscription(self, name: str) -> str:
        """The full name of a subscription."""
        return f"projects/{self.project}/subscriptions/{name}"


@asynccontextmanager
async def connected(
    *, project: str, location: str, api_endpoint: str | None, patience_seconds: float
) -> AsyncIterator[SchedulerClients]:
    """The clients: Google's own, or a server on this computer together with the Pub/Sub emulator.

    Args:
        api_endpoint: HOST:PORT of Cloud Scheduler's API; plain text and without credentials if that is this computer.
        patience_seconds: how long a call is repeated that meets a passing trouble.

    Raises:
        SchedulerError: one of the two services would be Google's own, and the other not.
        GoogleAuthError: there are no credentials.
    """
    emulator = os.environ.get(_EMULATOR)
    is_local = api_endpoint is not None and api_endpoint.rpartition(":")[0] in _LOCAL_HOSTS
    if is_local != bool(emulator):
        where = "a server on this computer" if is_local else "Google's own"
        raise SchedulerError(
            f"{_EMULATOR} is {'set' if emulator else 'not set'}, but Cloud Scheduler is {where}: both or neither must "
            "be local."
        )
    async with AsyncExitStack() as open_clients:
        if is_local:
            server, pubsub = grpc.aio.insecure_channel(api_endpoint), grpc.aio.insecure_channel(emulator)
            schedules = CloudSchedulerAsyncClient(transport=CloudSchedulerGrpcAsyncIOTransport(channel=server))
            publisher = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=pubsub))
            subscriber = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=pubsub))
        else:
            options = ClientOptions(api_endpoint=api_endpoint) if api_endpoint else None
            schedules = CloudSchedulerAsyncClient(client_options=options)
            publisher, subscriber = PublisherAsyncClient(), SubscriberAsyncClient()
        for client in (schedules, publisher, subscriber):
            open_clients.push_async_callback(client.transport.close)
        retry = AsyncRetry(predicate=_PASSING, initial=0.2, maximum=5.0, timeout=patience_seconds)
        yield SchedulerClients(
            project=project,
            location=location,
            schedules=schedules,
            publisher=publisher,
            subscriber=subscriber,
            call={"timeout": min(_ONE_CALL_SECONDS, patience_seconds), "retry": retry},
        )
