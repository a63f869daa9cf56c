"""Stands in for `gcloud`, `npx` or `cli` as a program: `python program.py NAME ARGUMENTS...`.

A deployment starts some 150 of them. So each only hands its words, its input and its environment to the one process
that answers for all (`stand_in.py`), at the address in STAND_IN_ADDRESS. It imports what an interpreter has anyway: the
time of such a process is that of its imports.
"""

import os
import sys
from _socket import socket


def main(arguments: list[str]) -> int:
    """Have one command answered."""
    host, port = os.environ["STAND_IN_ADDRESS"].split(":")
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    connection = socket()
    connection.connect((host, int(port)))
    with open(connection.detach(), "r+b", buffering=0) as stream:  # noqa: PTH123 - no path, but a descriptor
        stream.write(repr((arguments, stdin, dict(os.environ))).encode() + b"\n")
        exit_code, size, *_ = map(int, stream.readline().split())
        said = b""
        while chunk := stream.read(1 << 16):
            said += chunk
    sys.stdout.write(said[:size].decode())
    sys.stderr.write(said[size:].decode())
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
