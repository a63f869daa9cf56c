"""The most memory that a process has taken so far."""

from pathlib import Path
from typing import Final

from bench.measured import check

_LISTENS: Final = "0A"


def peak_bytes() -> int:
    """This process's own; what getrusage() says may be that of the process from which it was started."""
    return _peak_in(Path("/proc/self/status").read_text())


def peak_bytes_of(port: int) -> int:
    """That of the process which listens on this port; of several that share it, the largest."""
    sockets = {f"socket:[{inode}]" for inode in _listening_on(port)}
    peaks: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir()):
                peaks.append(_peak_in((process / "status").read_text()))
        except OSError:
            # It has ended since, or is another user's.
            continue
    check(bool(peaks), f"No process listens on port {port}.")
    return max(peaks)


def _listening_on(port: int) -> set[str]:
    """The inodes of the sockets that listen on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _peak_in(status: str) -> int:
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
