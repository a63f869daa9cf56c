"""What lies on the gRPC channels of the clients: interceptors, below the libraries, unknown to all production code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import grpc


@contextmanager
def intercepted(*added: Any) -> Iterator[None]:
    """Lay interceptors on every channel that is created inside, next to those that it has."""
    real = grpc.aio.insecure_channel

    def insecure_channel(*args: Any, interceptors: Any = (), **kwargs: Any) -> grpc.aio.Channel:
        return real(*args, interceptors=[*(interceptors or ()), *added], **kwargs)

    with patch.object(grpc.aio, "insecure_channel", insecure_channel):
        yield


def method_of(details: grpc.aio.ClientCallDetails) -> str:
    """The full name of the method that is called, `/package.Service/Method`."""
    return details.method.decode() if isinstance(details.method, bytes) else str(details.method)
