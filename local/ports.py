"""Free ports on this computer."""

import socket
from contextlib import ExitStack

HOST = "127.0.0.1"


def free_ports(number: int) -> list[int]:
    """As many different ports that nobody uses. All are held until all are found, so none comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
