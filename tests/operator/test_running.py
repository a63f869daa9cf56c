"""What all commands have in common: help, settings, and one sentence for each expected failure."""

import asyncio
import io
import json
import re
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from cli import terminal
from cli.__main__ import COMMANDS
from cli.commands import presence, running
from cli.commands.command import Command
from nightshift import settings
from nightshift.runtime import Runtime
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import Fault, Rpc
from tests.support.operating import asked_apart, environment, nightshift, operate
from tests.support.patience import PATIENCE_SECONDS
from tests.support.world import World

SCRIPT = Path(__file__).parent.parent.parent / "nightshift"
ONE_OF_EACH = [
    ["job", "answered"],
    ["jobs"],
    ["user", "alice"],
    ["batches"],
    ["stats"],
    ["bill"],
    ["audit"],
    ["grant", "alice", "5", "--yes"],
    ["cancel", "job", "answered", "--yes"],
    ["cancel", "batch", "ns-1", "--yes"],
    ["retry", "job", "answered", "--yes"],
    ["erase", "alice", "--yes"],
]


class Terminal(io.StringIO):
    """A screen, with a person before it."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


def test_help_lists_every_command_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And says what the exit codes mean, within 80 columns."""
    with pytest.raises(SystemExit) as exited:
        running.parsed(COMMANDS, ["--help"])

    assert exited.value.code == 0
    output = capsys.readouterr().out
    assert all(re.search(rf"^    {command.name}\s", output, re.MULTILINE) for command in COMMANDS)
    assert all(command.help in " ".join(output.split()) for command in COMMANDS)
    assert "Exit code: 0 done; 1 findings, not found or refused; 2 could not run." in output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_commands_help_has_an_example_that_is_accepted(
    capsys: pytest.CaptureFixture[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the help shows can be typed; and it fits 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        running.parsed(COMMANDS, [command.name, "--help"])

    output = capsys.readouterr().out
    assert f"./nightshift {command.example}\n" in output
    assert max(map(len, output.splitlines())) <= 80
    assert running.parsed(COMMANDS, command.example.split()).command is command
    assert ("--yes" in output) == command.changes
    assert "--json" in output


@pytest.mark.parametrize("arguments", [[], ["joob"], ["stats", "--yes"], ["stats", "now"]])
async def test_wrong_usage_exits_two(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """And says what is wrong with it, in 80 columns, also where all commands are listed."""
    with pytest.raises(SystemExit) as exited:
        running.parsed(COMMANDS, arguments)

    complaint = capsys.readouterr().err
    assert exited.value.code == 2
    assert "nightshift" in complaint
    assert max(map(len, complaint.splitlines())) <= 80


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["people", "programs"])
@pytest.mark.parametrize("arguments", ONE_OF_EACH, ids=lambda one: " ".join(one[:2]))
async def test_an_unreachable_database_is_one_sentence_within_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], form: list[str]
) -> None:
    """No server listens: every command waits some seconds (here a tenth of one), and exits with code 2."""
    assert presence._SOON["retry"].timeout <= 3
    monkeypatch.setitem(presence._SOON, "retry", presence._SOON["retry"].with_timeout(0.1))
    # The functions of this process set the variable.
    monkeypatch.delenv("FUNCTION_TARGET", raising=False)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "nowhere")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")

    runtime = Runtime(settings.load())
    code = await asyncio.wait_for(running.run(runtime, running.parsed(COMMANDS, [*arguments, *form])), PATIENCE_SECONDS)
    runtime.firestore.close()

    told = capsys.readouterr()
    sentence = "Firestore cannot be reached (ServiceUnavailable)."
    assert code == 2
    if form:
        assert json.loads(told.out) == {"error": {"message": sentence, "exitCode": 2, "projectId": "nowhere"}}
        assert told.err == ""
    else:
        assert (told.out, told.err) == ("", f"nowhere: {sentence}\n")


@pytest.mark.parametrize(
    "arguments",
    [one for one in ONE_OF_EACH if one[:1] not in (["grant"], ["erase"])],
    ids=lambda one: " ".join(one[:2]),
)
async def test_a_project_without_documents_says_so_instead_of_zeros(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """It may be the wrong project; whatever is printed names it."""
    code, output, complaints = await operate(world, capsys, *arguments)

    told = " ".join((output + complaints).split())
    assert world.project in told
    if arguments[0] in {"jobs", "batches", "stats", "bill"}:
        assert code == 0
        assert f"{world.project} holds no jobs, no batches and no wallets. Is it the right project?" in told
    assert not re.search(r"\b0\b", re.sub(r"127\.0\.0\.1:\d+", "", told.replace(world.project, "")))


@pytest.mark.parametrize("arguments", ONE_OF_EACH, ids=lambda one: " ".join(one[:2]))
async def test_the_project_is_on_every_output(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """In the first line for people, in the first or the only object for programs; on a refusal, too."""
    await world.give("alice", 1)
    await world.submit("alice", "answered")

    for form in ([], ["--json"]):
        _, output, complaints = await operate(world, capsys, *arguments, *form)

        # Here the events are printed, too: what leaves them out is the process.
        told = [line for line in (output or complaints).splitlines() if '"severity"' not in line]
        assert world.project in told[0]
        if form:
            assert all(json.loads(line) for line in told)
            assert complaints == ""


async def test_wrong_usage_is_told_programs_in_json() -> None:
    """A script that asked for JSON can read what is wrong."""
    code, output, complaints = await nightshift("jobs", "--limit", "none", "--json")

    assert (code, complaints) == (2, "")
    assert "whole number" in json.loads(output)["error"]["message"]


async def test_the_version_is_that_of_the_checkout() -> None:
    """It is the one of pyproject.toml."""
    code, output, _ = await nightshift("--version")

    assert (code, output) == (0, f"nightshift {running._version()}\n")
    assert f'version = "{running._version()}"' in (SCRIPT.parent / "pyproject.toml").read_text()


async def test_no_event_stands_between_sentences_unless_it_is_asked_for(world: World) -> None:
    """Cancelling logs an event; a person who wants it says --log."""
    await world.give("alice", 2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    for number in range(2):
        await world.write("alice", f"job-{number}")

    _, quiet, silent = await nightshift("cancel", "job", "job-0", "--yes")
    _, _, loud = await nightshift("cancel", "job", "job-1", "--yes", "--log")

    assert "is cancelled" in quiet
    assert silent == ""
    assert "jobs_cancelled" in loud


def test_a_person_who_waits_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some silence (here a twentieth of a second), and never while a question is open."""

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    terminal.protect()
    assert isinstance(sys.stderr, terminal.CleanStream)

    with terminal.never_silent("Still at work in my-project", silence_seconds=0.05):
        sys.stderr.write("Go on? [y/N] ")
        time.sleep(0.3)
        assert screen.getvalue() == "Go on? [y/N] "
        terminal.line_was_answered()
        eventually = time.monotonic() + PATIENCE_SECONDS
        while "Still at work in my-project (" not in screen.getvalue() and time.monotonic() < eventually:
            time.sleep(0.01)

    assert "Still at work in my-project (" in screen.getvalue()


def test_the_time_of_loading_counts_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person waits from the return key on."""

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    with terminal.never_silent("Still at work", silence_seconds=3_600, silent_before=3_600):
        eventually = time.monotonic() + PATIENCE_SECONDS
        while not screen.getvalue() and time.monotonic() < eventually:
            time.sleep(0.01)

    assert screen.getvalue().startswith("Still at work (")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "Firestore refuses it: these credentials lack a permission"),
        (grpc.StatusCode.UNAUTHENTICATED, "Firestore refuses it: these credentials lack a permission"),
        (grpc.StatusCode.FAILED_PRECONDITION, "for want of an index"),
    ],
)
@pytest.mark.parametrize("arguments", [one for one in ONE_OF_EACH if one[0] != "audit"], ids=lambda one: str(one[0]))
async def test_what_firestore_refuses_is_one_sentence(
    world: World, capsys: pytest.CaptureFixture[str], status: grpc.StatusCode, told: str, arguments: list[str]
) -> None:
    """As it comes off the wire, at every call; nothing is changed."""
    refusal = Fault(name="refused", does="", effect="never", answers={"firestore": Rpc(status)}, times=1000)
    traffic = Traffic(Strike(refusal, 0))

    ended = await traffic.invoke(lambda: operate(world, capsys, *arguments))

    assert ended is not None
    code, output, complaints = ended
    assert (code, output) == (2, "")
    assert told in complaints
    assert len(complaints.splitlines()) == 1
    assert not await world.documents("wallets")


async def test_without_credentials_it_says_so(tmp_path: Path) -> None:
    """No emulator, no key file, no metadata server."""
    code, output, complaints = await nightshift(
        "stats",
        GOOGLE_CLOUD_PROJECT="nowhere",
        FIRESTORE_EMULATOR_HOST=None,
        GOOGLE_APPLICATION_CREDENTIALS=None,
        CLOUDSDK_CONFIG=str(tmp_path),
        HOME=str(tmp_path),
        NO_GCE_CHECK="true",
    )

    assert (code, output) == (2, "")
    assert complaints.startswith("nowhere: Google does not know who you are: ")
    assert len(complaints.splitlines()) == 1


async def test_a_bug_is_printed_by_its_type_and_place_alone(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may quote what a user wrote."""

    async def broken(*_: object) -> None:
        raise ValueError("my secret")

    monkeypatch.setattr("nightshift.reports.story.read", broken)

    code, output, complaints = await operate(world, capsys, "job", "x")

    assert (code, output) == (2, "")
    assert complaints.startswith(f"{world.project}: This is a bug: ValueError in ")
    assert "job.py:" in complaints
    assert "secret" not in complaints


async def test_who_stops_listening_gets_no_traceback(world: World) -> None:
    """As with `./nightshift ... | head -c 1`: the reader has gone when the command tells."""
    await world.give("alice", 1)
    await world.submit("alice", "job-1")

    for form in ("", "--json"):
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m cli job job-1 {form} | true",
            env=environment(),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        assert await process.communicate() == (b"", b"")


async def test_a_question_is_answered_on_a_terminal(world: World) -> None:
    """The script is a process with a terminal of its own."""
    code, output, complaints = await asked_apart("y", "grant", "alice", "5", "--entry-id", "gift")

    assert (code, "Go on? [y/N] " in complaints) == (0, True)
    assert "alice" in output
    assert (await world.read("wallets/alice"))["balance"] == 5


async def test_ctrl_c_at_the_question_changes_nothing(world: World) -> None:
    """It ends with a word and no traceback."""
    code, _, complaints = await asked_apart(None, "grant", "alice", "5")

    assert code == 2
    assert complaints.endswith("Interrupted.\n")
    assert "Traceback" not in complaints
    assert not await world.documents("wallets")


async def test_the_script_runs_from_anywhere(tmp_path: Path, world: World) -> None:
    """With the checkout's own packages; arguments with spaces stay what they are."""
    process = await asyncio.create_subprocess_exec(
        SCRIPT, "job", "no such job", cwd=tmp_path, env=environment(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    _, complaints = await process.communicate()

    assert (process.returncode, complaints.decode()) == (1, f"There is no job no such job in {world.project}.\n")


async def test_without_packages_the_script_says_how_to_get_them(tmp_path: Path) -> None:
    """Exit code 2, since nothing was looked at."""
    script = shutil.copy(SCRIPT, tmp_path)
    process = await asyncio.create_subprocess_exec(script, "stats", stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    output, complaints = await process.communicate()

    assert (process.returncode, output) == (2, b"")
    assert b"make setup" in complaints
