"""The most memory that a process has taken so far."""

from pathlib import Path

from bench.measured import check


def peak_bytes() -> int:
    """This process's own; what getrusage() says may be that of the process from which it was started."""
    return _peaks_in(Path("/proc/self/status").read_text())[0]


def peak_bytes_of(port: str) -> int:
    """That of the process that serves this port; the framework may serve it in a child of its own."""
    peaks: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            status = (process / "status").read_text()
        except OSError:
            # It has ended since.
            continue
        if port.encode() in command:
            peaks += _peaks_in(status)
    check(bool(peaks), f"No process serves port {port}.")
    return max(peaks)


def _peaks_in(status: str) -> list[int]:
    return [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
