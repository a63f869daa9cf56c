"""The peak of a function's process is found by the port on which it listens: one that was forked has no own command."""

import socket

import pytest

from bench.measured import ResultWrong
from bench.peak import peak_bytes, peak_bytes_of


def test_the_process_that_listens_on_a_port_is_found_and_no_other() -> None:
    """Here it is this one; once nothing listens there, that is said."""
    with socket.create_server(("127.0.0.1", 0)) as served:
        port = served.getsockname()[1]
        assert 0 < peak_bytes_of(port) <= peak_bytes()
    with pytest.raises(ResultWrong, match=f"port {port}"):
        peak_bytes_of(port)
