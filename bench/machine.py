"""What a number was measured on."""

import asyncio
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from local.setup import Toolchain, find_toolchain

_PACKAGES = ("google-cloud-firestore", "google-cloud-storage", "openai", "functions-framework", "gcp-storage-emulator")


def this_machine() -> Mapping[str, str]:
    """The parts of this computer that a number depends on, by their names."""
    toolchain = asyncio.run(find_toolchain())
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": sys.version.split()[0],
        "Java": _java_version(toolchain),
        "Firestore emulator": _version_in(toolchain.firestore_jar),
        "Pub/Sub emulator": _version_in(toolchain.pubsub_jar),
        **{package: version(package) for package in _PACKAGES},
    }


def _cpu_model() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _java_version(toolchain: Toolchain) -> str:
    said = subprocess.run([toolchain.java, "-version"], capture_output=True, text=True, check=True)
    return said.stderr.splitlines()[0].partition('"')[2].partition('"')[0]


def _version_in(jar: Path) -> str:
    """What the jar's own name says, or the Cloud SDK's record of what it has installed."""
    if named := re.search(r"\d+\.\d+\.\d+", jar.name):
        return named[0]
    for folder in jar.parents:
        record = folder / ".install" / f"{jar.parent.name}.snapshot.json"
        if record.exists():
            components = json.loads(record.read_text())["components"]
            return next(str(part["version"]["version_string"]) for part in components if part["id"] == jar.parent.name)
    return "unknown"
