"""The Firebase CLI's package, for its JSON schema and its check of index files; none of what it depends on.

It is fetched once, by npm, and compared with a pinned digest before it is unpacked.
"""

import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from deploy.firebase import VERSION

# As npm states it: `npm view firebase-tools@VERSION dist.integrity`.
_SHA512: Final = "Xo010+PZAj5sL6hn33p19egXDmVlowPZknbs2Rf4nxd6Ulx6gLCd76qHd9XT2lV3B0u7yi0iO0BU5qrLeY8Y+g=="
# Its templates hold programs that are none of ours.
_PARTS: Final = ("package/lib/", "package/schema/", "package/package.json")
_FOLDER: Final = Path(__file__).parents[1] / "javascript" / "firebase-tools"


def package() -> Path:
    """The folder with the package in it."""
    found = _FOLDER / VERSION / "package"
    if not found.exists():
        _fetch(found.parent)
    return found


def _fetch(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        command = (
            "npm",
            "pack",
            f"firebase-tools@{VERSION}",
            "--ignore-scripts",
            "--silent",
            "--pack-destination",
            fresh,
        )
        subprocess.run(command, check=True, capture_output=True, cwd=fresh)  # noqa: S603 - npm, and a pinned name
        (archive,) = Path(fresh).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != _SHA512:
            raise AssertionError(f"firebase-tools {VERSION} is not the package that was pinned")
        with tarfile.open(archive) as content:
            parts = [member for member in content.getmembers() if member.name.startswith(_PARTS)]
            content.extractall(Path(fresh) / "unpacked", parts, filter="data")
        # Another process may have been faster.
        if not folder.exists():
            os.replace(Path(fresh) / "unpacked", folder)  # noqa: PTH105 - a folder
