"""Ports: the Emulator Suite's where they are free."""

import ipaddress
import socket

from local.ports import HOST, free_ports, lan_address, standard_ports


def test_a_standard_port_is_taken_where_it_is_free_and_left_where_it_is_not() -> None:
    """So an app's configuration survives a restart, and two stacks do not meet."""
    taken, free = free_ports(2)
    with socket.socket() as other:
        other.bind((HOST, taken))
        other.listen()
        first, second = standard_ports((taken, free))

    assert first not in {taken, free}
    assert second == free


def test_a_port_that_has_just_been_used_is_free_again() -> None:
    """A stack that is stopped and started at once finds the same ports, though old connections are remembered."""
    (port,) = free_ports(1)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, port))
        server.listen()
        with socket.create_connection((HOST, port)):
            server.accept()[0].close()

    assert standard_ports((port,)) == [port]


def test_the_address_in_the_network_is_one_of_this_computer() -> None:
    """Something can be bound to it."""
    address = lan_address()

    assert ipaddress.ip_address(address).version == 4
    with socket.socket() as one:
        one.bind((address, 0))
