"""`make deploy` as a person runs it: real processes, with stand-ins for the programs that talk to Google."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nightshift.functions import FUNCTIONS
from tests.deploy.google import PROJECT, Google
from tests.deploy.stand_in import StandIn
from tests.deploy.world import ROOT, SECRETS, copy_of

_PLAIN = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[StandIn]:
    """The stand-ins, and a new project behind them, to which Firebase was added by hand."""
    google = Google(ROOT)
    google.state["buckets"] = {f"{PROJECT}.firebasestorage.app": {"name": f"{PROJECT}.firebasestorage.app"}}
    with StandIn(tmp_path / "bin", google).serving() as programs:
        yield programs


def make_deploy(
    programs: StandIn, *arguments: str, caller: Mapping[str, str] = SECRETS
) -> subprocess.CompletedProcess[str]:
    """Run the command that the target `deploy` runs, with nothing else on the path than what is given."""
    path = [str(programs.folder), "/usr/bin", "/bin"]
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "deploy", *arguments],
        cwd=ROOT,
        env={
            **{name: value for name, value in _PLAIN.items() if not name.startswith(("NIGHTSHIFT_", "OPENAI_"))},
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join([str(programs.folder), str(ROOT / "functions"), str(ROOT)]),
            "STAND_IN_ADDRESS": programs.address,
            **caller,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_project_is_deployed_without_showing_a_secret_and_the_rest_is_said(programs: StandIn) -> None:
    """The functions' addresses, the webhook's endpoint, the admin; a second plan finds nothing to do.

    The processes' arguments and environments, and the terminal, show no secret.
    """
    caller = {**SECRETS, "PUBSUB_EMULATOR_HOST": "localhost:1"}
    first = make_deploy(programs, "--project", PROJECT, "--email", "ops@example.com", caller=caller)
    assert first.returncode == 0, first.stderr
    assert "https://getbatchstats-abc-el.a.run.app" in first.stdout
    assert "batch.completed" in first.stdout
    assert "set_custom_user_claims" in first.stdout
    assert f"DEPLOY_MONTHLY_BUDGET=200 in deploy/settings/{PROJECT}.env" in first.stdout
    state = copy_of(programs.google.state)
    assert state["functions"].keys() == {function.name for function in FUNCTIONS}
    assert state["secrets"]["openai-api-key"] == [SECRETS["OPENAI_API_KEY"]]
    second = make_deploy(programs, "--project", PROJECT, "--email", "ops@example.com", "--plan", caller=caller)
    assert second.returncode == 0, second.stderr
    assert not re.search(r"^  (create|change|remove|missing)", second.stdout, flags=re.MULTILINE)
    assert programs.google.state == state
    log = "\n".join(programs.log)
    assert "openai-api-key" in log
    assert "PUBSUB_EMULATOR_HOST" not in log
    for secret in SECRETS.values():
        assert secret not in log + first.stdout + first.stderr + second.stdout + second.stderr


def test_a_plan_needs_no_credentials(programs: StandIn) -> None:
    """gcloud says why it cannot ask; all is planned as unknown, and nothing is called that could change anything."""
    (programs.folder / "gcloud").write_text(
        "#!/bin/sh\necho 'ERROR: You do not currently have an active account' >&2\nexit 1\n"
    )
    plan = make_deploy(programs, "--project", PROJECT, "--plan", caller={})
    assert plan.returncode == 0, plan.stderr
    assert "You do not currently have an active account" in plan.stdout
    assert "unknown, would create onAiJobCreated" in plan.stdout
    assert "firebase deploy --only=" in plan.stdout
    assert not programs.log
    deployed = make_deploy(programs, "--project", PROJECT)
    assert deployed.returncode == 2
    assert "You do not currently have an active account" in deployed.stderr


@pytest.mark.parametrize(("program", "named"), [("gcloud", "cloud.google.com/sdk"), ("npx", "nodejs.org")])
def test_a_program_that_is_not_installed_is_named(programs: StandIn, program: str, named: str) -> None:
    """With the place where it is to be had."""
    (programs.folder / program).unlink()
    only = programs.folder / "only"
    only.mkdir()
    for name in {"gcloud", "npx"} - {program}:
        shutil.move(programs.folder / name, only / name)
    deployed = make_deploy(programs, "--project", PROJECT, "--plan", caller={"PATH": str(only)})
    assert deployed.returncode == 2
    assert named in deployed.stderr


@pytest.mark.parametrize("project", ["Night Shift", "x", "night-shift;reboot"])
def test_what_is_no_project_is_refused(programs: StandIn, project: str) -> None:
    """Before any program is called."""
    deployed = make_deploy(programs, "--project", project)
    assert deployed.returncode == 2
    assert "is no id of a project" in deployed.stderr
    assert not programs.log


def test_a_setting_in_the_callers_environment_is_refused(programs: StandIn) -> None:
    """It would be gone with the terminal; the sentence says where it belongs."""
    deployed = make_deploy(programs, "--project", PROJECT, caller={**SECRETS, "NIGHTSHIFT_MODEL": "gpt-5"})
    assert deployed.returncode == 2
    assert f"deploy/settings/{PROJECT}.env" in deployed.stderr


@pytest.mark.parametrize("target", ["deploy", "destroy"])
def test_make_asks_for_the_project_before_it_installs_anything(tmp_path: Path, target: str) -> None:
    """In a sentence, and does nothing."""
    make = shutil.which("make")
    assert make
    command = [make, target, "PROJECT=", f"VENV={tmp_path / 'none'}", "PYTHON=false"]
    # Beneath `make test` it would inherit the flags of that make, and announce its directory.
    apart = {name: value for name, value in _PLAIN.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    said = subprocess.run(command, cwd=ROOT, env=apart, capture_output=True, text=True, check=False)  # noqa: S603
    assert said.returncode != 0
    assert said.stdout == f"Say which project: make {target} PROJECT=my-project\n"
