"""Brings the dashboard's libraries from npm's packages into `dashboard/vendor/`, as a browser loads them.

    python -m local.vendor

The packages are those of tests/javascript/package-lock.json, which names the digest of each; `make test` installs them.
Two things change in a file: where it imports another one, the other one's place here is named; and the line that
names a source map goes. `dashboard/vendor/README.md` lists each file with its version, licence and digest.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.part import ROOT

VENDOR: Final = ROOT / "dashboard" / "vendor"
_PACKAGES: Final = ROOT / "tests" / "javascript" / "node_modules"


@dataclass(frozen=True, kw_only=True)
class Library:
    """One file of a package, and its name here."""

    package: str
    path: str
    name: str


LIBRARIES: Final = (
    Library(package="preact", path="dist/preact.module.js", name="preact.js"),
    Library(package="preact", path="hooks/dist/hooks.module.js", name="preact-hooks.js"),
    Library(package="htm", path="dist/htm.module.js", name="htm.js"),
    *(
        Library(package="firebase", path=f"{name}.js", name=f"{name}.js")
        for name in ("firebase-app", "firebase-auth", "firebase-firestore", "firebase-storage")
    ),
)

_PAGE: Final = """# Vendored libraries

What the dashboard loads. `make vendor` brings these files from the packages that
`tests/javascript/package-lock.json` pins by digest. A test compares them.

| file | package | licence | SHA-256 |
|---|---|---|---|
{rows}
"""


def vendored() -> dict[str, str]:
    """All files of `dashboard/vendor/` as they have to be: texts by names."""
    files: dict[str, str] = {}
    rows: list[str] = []
    for library in LIBRARIES:
        package = _package(library.package)
        text = _imports_from_here((_PACKAGES / library.package / library.path).read_text(), package["version"])
        files[library.name] = text
        # Firebase's packages name the Apache licence, and hold no text of it.
        licensed = "htm" if package["license"] == "Apache-2.0" else library.package
        files[f"LICENSE.{package['license']}"] = (_PACKAGES / licensed / "LICENSE").read_text()
        digest = hashlib.sha256(text.encode()).hexdigest()
        named = f"{library.package} {package['version']}"
        rows.append(
            f"| `{library.name}` | {named} | [{package['license']}](LICENSE.{package['license']}) | `{digest}` |"
        )
    return files | {"README.md": _PAGE.format(rows="\n".join(rows))}


def _package(name: str) -> dict[str, Any]:
    package: dict[str, Any] = json.loads((_PACKAGES / name / "package.json").read_text())
    return package


def _imports_from_here(text: str, version: str) -> str:
    kept = (line for line in text.splitlines(keepends=True) if not line.startswith("//# sourceMappingURL="))
    text = "".join(kept).rstrip() + "\n"
    text = text.replace(f"https://www.gstatic.com/firebasejs/{version}/", "./")
    return text.replace('from"preact"', 'from"./preact.js"')


def main() -> int:
    """Write them; returns the exit code."""
    if not (_PACKAGES / "preact").is_dir():
        print("The packages are not installed yet; `make test` installs them.", file=sys.stderr)
        return 1
    files = vendored()
    for name, text in files.items():
        Path(VENDOR / name).write_text(text)
    for stale in {path.name for path in VENDOR.iterdir()} - files.keys():
        (VENDOR / stale).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
