"""Whether a vulnerability is known in what the functions run on; `make check` asks it.

    python -m local.vulnerabilities FILE

pip-audit asks the open database of vulnerabilities (https://osv.dev) about each package that FILE, a requirements.txt
with hashes, pins. Exit code 0: none is known. 1: one is, or the question could not be asked. On a computer that has no
way to the database, `VULNERABILITIES=offline` says so by name: then the check is skipped, visibly, and exits with 0.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import httpx

OSV: Final = "https://api.osv.dev/v1/query"
_SWITCH: Final = "VULNERABILITIES"
_OFFLINE: Final = "offline"
_PATIENCE_SECONDS: Final = 8.0


async def check(
    requirements: Path, osv: str = OSV, *, is_offline: bool = False, patience_seconds: float = _PATIENCE_SECONDS
) -> int:
    """Print what is known about the packages; returns the exit code.

    Args:
        osv: the address of the database.
        patience_seconds: how long its first answer may take.
    """
    if is_offline:
        print(f"Known vulnerabilities: NOT CHECKED, since {_SWITCH}={_OFFLINE} says that there is no way to ask.")
        return 0
    if trouble := await _unreachable(osv, patience_seconds):
        print(
            f"Known vulnerabilities: {httpx.URL(osv).host} cannot be reached ({trouble}). "
            f"Where that is meant to be so, {_SWITCH}={_OFFLINE} skips the question."
        )
        return 1
    audit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--disable-pip", "--strict"),
        *("--vulnerability-service", "osv", "--osv-url", osv, "--progress-spinner", "off", "--desc", "off"),
    )
    return int(await audit.wait() != 0)


async def _unreachable(osv: str, patience_seconds: float) -> str | None:
    """Why the database does not answer, or None if it does: to what pip-audit is going to ask, and as a database."""
    question = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "1.0"}
    try:
        async with asyncio.timeout(patience_seconds), httpx.AsyncClient(timeout=patience_seconds) as client:
            answer = (await client.post(osv, json=question)).raise_for_status().json()
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        # The web page of a proxy or a hotel is no answer either.
        return type(error).__name__
    return None if isinstance(answer, dict) else "no answer of a database"


def main(arguments: list[str], osv: str = OSV) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.vulnerabilities", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("requirements", type=Path, metavar="FILE")
    requirements = parser.parse_args(arguments).requirements
    return asyncio.run(check(requirements, osv, is_offline=os.environ.get(_SWITCH) == _OFFLINE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
