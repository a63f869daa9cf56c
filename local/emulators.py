"""Finds Google's Firestore and Pub/Sub emulators wherever this computer has them, or fetches them.

The order is from the most to the least deliberate: an environment variable, the Cloud SDK, the Firebase
CLI's cache, our own cache, a download by the name under which Google publishes the file for its own tools.
The folder names below are those of the Cloud SDK's components and of the Firebase CLI, so an emulator that
either has installed is used and nothing is fetched twice.

The variables carry no NIGHTSHIFT_ prefix: those are the functions' settings, and an unknown one is an error
there.
"""

import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.errors import StackError

PUBLISHED_AT = "https://storage.googleapis.com/firebase-preview-drop/emulator"

# Where the Cloud SDK's packages and installers put it, for a computer on which `gcloud` is not on PATH.
SDK_ROOTS = (
    "~/google-cloud-sdk",
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
)


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """One emulator of Google's: its names on disk, and what Google publishes."""

    name: str  # as a person calls it
    variable: str  # names a jar and overrules everything else
    main_class: str
    sdk_pattern: str  # below the Cloud SDK's root
    cache_pattern: str  # below the Firebase CLI's cache, and below ours
    version: str
    published_name: str  # below PUBLISHED_AT; a .zip is unpacked into a folder of its name
    size_bytes: int
    sha256: str


FIRESTORE = Emulator(
    name="Firestore emulator",
    variable="FIRESTORE_EMULATOR_JAR",
    main_class="com.google.cloud.datastore.emulator.firestore.CloudFirestore",
    sdk_pattern="platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
    cache_pattern="cloud-firestore-emulator-v*.jar",
    version="1.22.0",
    published_name="cloud-firestore-emulator-v1.22.0.jar",
    size_bytes=136_707_194,
    sha256="9b6498b7f62714d67f48f59b3818883cd682dbcd46b9f59511de81c97bb5166c",
)

PUBSUB = Emulator(
    name="Pub/Sub emulator",
    variable="PUBSUB_EMULATOR_JAR",
    main_class="com.google.cloud.pubsub.testing.v1.Main",
    sdk_pattern="platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    cache_pattern="pubsub-emulator-*/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar",
    version="0.8.37",
    published_name="pubsub-emulator-0.8.37.zip",
    size_bytes=53_029_797,
    sha256="c83383e0c71633e58abad6fdc9c0312c7d0f6a5a34236c42e3f92eb24ded1c26",
)


def find(emulator: Emulator, environment: Mapping[str, str], sdk_roots: Sequence[str] = SDK_ROOTS) -> Path | None:
    """The emulator's jar, or None if this computer has none.

    Raises StackError if the emulator's variable names a file that is not there.
    """
    if named := environment.get(emulator.variable):
        jar = Path(named).expanduser()
        if not jar.is_file():
            raise StackError(f"{emulator.variable} names {named}, and there is no such file.")
        return jar
    for root in _sdk_roots(environment, sdk_roots):
        if jars := _newest_first(root, emulator.sdk_pattern):
            return jars[0]
    for cache in (_firebase_cache(environment), own_cache(environment)):
        if jars := _newest_first(cache, emulator.cache_pattern):
            return jars[0]
    return None


async def find_or_fetch(
    emulator: Emulator,
    environment: Mapping[str, str],
    *,
    sdk_roots: Sequence[str] = SDK_ROOTS,
    published_at: str = PUBLISHED_AT,
    say: Callable[[str], None] = print,
) -> Path:
    """The emulator's jar, downloaded into our own cache if this computer has none.

    Raises StackError, naming what to install or to set, if it cannot be had.
    """
    if jar := find(emulator, environment, sdk_roots):
        return jar
    # The HTTP client costs a third of the time of a `make setup` that finds everything.
    from local.download import download

    cache = own_cache(environment)
    megabytes = round(emulator.size_bytes / 1e6)
    say(f"Fetching the {emulator.name} {emulator.version} from Google ({megabytes} MB, once) ...")
    try:
        published = cache / emulator.published_name
        url = f"{published_at}/{emulator.published_name}"
        await download(url, published, size_bytes=emulator.size_bytes, sha256=emulator.sha256)
        if published.suffix == ".zip":
            _unpack(published)
    except StackError as error:
        raise StackError(
            f"The {emulator.name} is not on this computer and cannot be fetched; install it with "
            f"`gcloud components install cloud-firestore-emulator pubsub-emulator`, or name its jar in "
            f"{emulator.variable} ({str(error).rstrip('.')})."
        ) from error
    return _newest_first(cache, emulator.cache_pattern)[0]


def own_cache(environment: Mapping[str, str]) -> Path:
    """The folder for what we fetched, by the XDG Base Directory Specification."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else _home(environment) / ".cache") / "nightshift" / "emulators"


def _firebase_cache(environment: Mapping[str, str]) -> Path:
    named = environment.get("FIREBASE_EMULATORS_PATH")
    return Path(named) if named else _home(environment) / ".cache" / "firebase" / "emulators"


def _sdk_roots(environment: Mapping[str, str], common: Sequence[str]) -> Iterator[Path]:
    if root := environment.get("CLOUDSDK_ROOT_DIR"):
        yield Path(root)
    # `gcloud` is a link into ROOT/bin. Asking it (`gcloud info`) takes a second or two.
    if gcloud := shutil.which("gcloud", path=environment.get("PATH", "")):
        yield Path(gcloud).resolve().parent.parent
    for root in common:
        yield _home(environment) / root[2:] if root.startswith("~/") else Path(root)


def _home(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return Path(home) if home else Path.home()


def _newest_first(root: Path, pattern: str) -> list[Path]:
    """What matches, by version: 1.19.9 is newer than 1.9.0, though not by the alphabet."""
    return sorted(
        (path for path in root.glob(pattern) if path.is_file()),
        key=lambda path: [int(number) for number in re.findall(r"\d+", str(path.relative_to(root)))],
        reverse=True,
    )


def _unpack(archive: Path) -> None:
    """Unpack into a folder named as the archive, which appears only when it is complete."""
    folder = archive.with_suffix("")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(part)
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)
    archive.unlink()
