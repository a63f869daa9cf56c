"""Cloud Storage on this computer: gcp-storage-emulator, in memory, as a process of its own.

    python -m local.storage_emulator HOST PORT

At each write the emulator encodes the metadata of all its objects, to find them again after a restart. In memory there
is no restart, and with some hundred objects this took most of a write's time. So it is left out here.
"""

import logging
import sys

from gcp_storage_emulator.server import APIThread
from gcp_storage_emulator.storage import Storage


class ForgetfulStorage(Storage):  # type: ignore[misc] # the package has no types
    """The emulator's storage, in memory, without a copy of its metadata for a restart."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)

    def _write_config_to_file(self) -> None:
        """Write nothing."""


def main() -> None:
    """Serve until the process is ended."""
    host, port = sys.argv[1:]
    logging.disable(logging.ERROR)
    APIThread(host, int(port), ForgetfulStorage()).run()


if __name__ == "__main__":
    main()
