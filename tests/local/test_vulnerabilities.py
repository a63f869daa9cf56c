"""The check for known vulnerabilities: pip-audit itself, against a database of this test's own."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local import vulnerabilities
from local.part import ROOT
from local.ports import free_ports
from local.serve import serving

RUNTIME = ROOT / "functions" / "requirements.txt"
PINNED = f"idna==3.6 \\\n    --hash=sha256:{'0' * 64}\n"
FOUND = {
    "id": "PYSEC-2099-1",
    "summary": "A vulnerability of the future.",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
            "versions": ["3.6"],
        }
    ],
}
Answer = Callable[[Request], Awaitable[Response]]


async def about_idna(request: Request) -> Response:
    """The database knows of one vulnerability, in idna 3.6."""
    asked = await request.json()
    return JSONResponse({"vulns": [FOUND]} if asked["package"]["name"] == "idna" and asked["version"] == "3.6" else {})


async def nothing_known(_: Request) -> Response:
    """The database knows of none."""
    return JSONResponse({})


async def web_page(_: Request) -> Response:
    """A page of the network in between, as in a hotel."""
    return HTMLResponse("<html>Welcome to our hotel</html>")


async def forbidden(_: Request) -> Response:
    """A proxy that lets no request out."""
    return JSONResponse({}, status_code=403)


async def silence(request: Request) -> Response:
    """A server that takes the request, and does not answer until its client has gone."""
    while not await request.is_disconnected():  # noqa: ASYNC110 - the server sends no event for it
        await asyncio.sleep(0.05)
    return Response()


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A requirements.txt with one package."""
    path = tmp_path / "requirements.txt"
    path.write_text(PINNED)
    return path


def database(answer: Answer) -> Starlette:
    """A database that answers like this."""
    return Starlette(routes=[Route("/v1/query", answer, methods=["POST"])])


async def test_a_known_vulnerability_fails_the_check_and_is_named(
    pinned: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The package, its version, the vulnerability, and the version that is free of it."""
    async with serving(database(about_idna)) as address:
        code = await vulnerabilities.check(pinned, f"http://{address}/v1/query")

    assert code == 1
    assert {"idna", "3.6", "PYSEC-2099-1", "3.7"} <= set(capfd.readouterr().out.split())


async def test_what_the_functions_run_on_passes_where_nothing_is_known(capfd: pytest.CaptureFixture[str]) -> None:
    """The real file can be read by pip-audit, which asks about each package that it pins."""
    asked: set[str] = set()

    async def noted(request: Request) -> Response:
        asked.add((await request.json())["package"]["name"])
        return JSONResponse({})

    async with serving(database(noted)) as address:
        assert await vulnerabilities.check(RUNTIME, f"http://{address}/v1/query") == 0

    assert {"openai", "firebase-admin", "cryptography", "starlette"} <= asked
    assert "skipped" not in capfd.readouterr().out


@pytest.mark.parametrize("answer", [web_page, forbidden, silence, None])
async def test_without_the_database_the_check_fails_and_says_how_to_skip_it(
    pinned: Path, answer: Answer | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, whatever is in the way: in CI a check that looks at nothing must not pass unseen."""
    async with serving(database(answer or nothing_known)) as address:
        reached = address if answer else f"127.0.0.1:{free_ports(1)[0]}"
        assert await vulnerabilities.check(pinned, f"http://{reached}/v1/query", patience_seconds=1.0) == 1

    [line] = capfd.readouterr().out.splitlines()
    assert line.startswith("Known vulnerabilities: 127.0.0.1 cannot be reached")
    assert "VULNERABILITIES=offline" in line


@pytest.mark.parametrize(("said", "code"), [("offline", 0), ("no", 1), ("", 1)])
def test_the_check_is_skipped_only_by_the_word_offline(
    said: str, code: int, pinned: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visibly; and any other word is no permission."""
    monkeypatch.setenv("VULNERABILITIES", said)
    unreachable = f"http://127.0.0.1:{free_ports(1)[0]}/v1/query"

    assert vulnerabilities.main([str(pinned)], unreachable) == code
    assert ("NOT CHECKED" in capfd.readouterr().out) == (code == 0)


def test_what_npm_installs_is_pinned_and_runs_no_script() -> None:
    """Every package has a version and a digest in a lock file, and no command lets an install script run."""
    for folder in ("tests/javascript", "deploy/firebase-cli"):
        locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        assert all(one.get("version") and one.get("integrity") for name, one in locked.items() if name), folder
    commands = re.findall(r"npm (?:ci|install|pack|exec)[^\n]*", (ROOT / "Makefile").read_text())
    assert len(commands) >= 2
    assert all(command.startswith("npm ci --ignore-scripts") for command in commands)


@pytest.mark.parametrize("text", ["idna\n", "idna==3.6\n", "not a requirement at all\n"])
async def test_a_file_that_pins_no_hashes_fails_the_check(tmp_path: Path, text: str) -> None:
    """What cannot be audited to its end is no pass."""
    path = tmp_path / "requirements.txt"
    await asyncio.to_thread(path.write_text, text)
    async with serving(database(nothing_known)) as address:
        assert await vulnerabilities.check(path, f"http://{address}/v1/query") == 1


@pytest.mark.parametrize("name", ["requirements.txt", "functions/requirements.txt"])
def test_every_requirement_is_pinned_with_hashes_and_names_no_place(name: str) -> None:
    """What is installed is what was locked, byte for byte, from whatever index; and no index is written down."""
    text = (ROOT / name).read_text()
    requirements = text.replace("\\\n", " ").splitlines()

    assert len(requirements) > 50
    assert not [one for one in requirements if "==" not in one.split(";")[0] or "--hash=sha256:" not in one]
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
