"""Ports on this computer: free ones, and those that the Firebase Emulator Suite has by default."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
# https://firebase.google.com/docs/emulator-suite/install_and_configure#port_configuration: an app that is configured
# for the Emulator Suite finds the same services here.
FIRESTORE, AUTH, STORAGE, PUBSUB = 8080, 9099, 9199, 8085


def free_ports(number: int) -> list[int]:
    """So many different free ports. All are bound until all are found, so no port comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def standard_ports(wanted: Sequence[int]) -> list[int]:
    """These ports; instead of one that is in use, another that is free."""
    others = iter(free_ports(len(wanted)))
    return [port if _is_free(port) else next(others) for port in wanted]


def lan_address() -> str:
    """This computer's address in its own network, by which a phone reaches it; its loopback if it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            # Nothing is sent: the system only chooses by which address it would send to an address of documentation.
            one.connect(("192.0.2.1", 9))
        except OSError:
            return HOST
        return str(one.getsockname()[0])


def _is_free(port: int) -> bool:
    # What listens on another address of this computer would take the phone's calls.
    with socket.socket() as asked:
        asked.settimeout(0.2)
        if asked.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as one:
        # A port on which a stack has just stopped is free, though the system still remembers its connections.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((EVERYWHERE, port))
        except OSError:
            return False
    return True
