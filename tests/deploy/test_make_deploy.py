"""`make deploy` as a person runs it: real processes, with stand-ins for the programs that talk to Google."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from nightshift.functions import FUNCTIONS
from tests.deploy.google import PROJECT, Google
from tests.deploy.world import ROOT, SECRETS

_PLAIN = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}


def stand_ins(folder: Path) -> Path:
    """Make the stand-ins there: programs `gcloud` and `npx`, and a module `cli.__main__`."""
    (folder / "cli").mkdir(parents=True)
    program = Path(__file__).with_name("program.py")
    for name in ("gcloud", "npx"):
        # -S: some 150 of them are started, and need none of the installed packages.
        # And each compiles our modules anew, unless it may keep what it compiled.
        keeps = f'export PYTHONPYCACHEPREFIX="{folder}/compiled" PYTHONDONTWRITEBYTECODE=\n'
        (folder / name).write_text(f'#!/bin/sh\n{keeps}exec "{sys.executable}" -S "{program}" {name} "$@"\n')
        (folder / name).chmod(0o755)
    # All else of `cli` is the real one.
    extend = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
    (folder / "cli" / "__init__.py").write_text(extend)
    main = "import sys\nfrom tests.deploy.program import main\nsys.exit(main(['cli', *sys.argv[1:]]))\n"
    (folder / "cli" / "__main__.py").write_text(main)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The stand-ins, and a new project behind them, to which Firebase was added by hand."""
    folder = stand_ins(tmp_path / "bin")
    state = Google(ROOT).state
    state["buckets"] = {f"{PROJECT}.firebasestorage.app": {"name": f"{PROJECT}.firebasestorage.app"}}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def make_deploy(
    programs: Path, *arguments: str, caller: Mapping[str, str] = SECRETS
) -> subprocess.CompletedProcess[str]:
    """Run the command that the target `deploy` runs, with nothing else on the path than what is given."""
    path = [str(programs), "/usr/bin", "/bin"]
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "deploy", *arguments],
        cwd=ROOT,
        env={
            **{name: value for name, value in _PLAIN.items() if not name.startswith(("NIGHTSHIFT_", "OPENAI_"))},
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join([str(programs), str(ROOT / "functions"), str(ROOT)]),
            "STAND_IN_STATE": str(programs / "state.json"),
            **caller,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_project_is_deployed_without_showing_a_secret_and_the_rest_is_said(programs: Path) -> None:
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
    state = json.loads((programs / "state.json").read_text())
    assert state["functions"].keys() == {function.name for function in FUNCTIONS}
    assert state["secrets"]["openai-api-key"] == [SECRETS["OPENAI_API_KEY"]]
    second = make_deploy(programs, "--project", PROJECT, "--email", "ops@example.com", "--plan", caller=caller)
    assert second.returncode == 0, second.stderr
    assert not re.search(r"^  (create|change|remove|missing)", second.stdout, flags=re.MULTILINE)
    assert json.loads((programs / "state.json").read_text()) == state
    log = (programs / "state.log").read_text()
    assert "openai-api-key" in log
    assert "PUBSUB_EMULATOR_HOST" not in log
    for secret in SECRETS.values():
        assert secret not in log + first.stdout + first.stderr + second.stdout + second.stderr


def test_a_plan_needs_no_credentials(programs: Path) -> None:
    """gcloud says why it cannot ask; all is planned as unknown, and nothing is called that could change anything."""
    (programs / "gcloud").write_text(
        "#!/bin/sh\necho 'ERROR: You do not currently have an active account' >&2\nexit 1\n"
    )
    plan = make_deploy(programs, "--project", PROJECT, "--plan", caller={})
    assert plan.returncode == 0, plan.stderr
    assert "You do not currently have an active account" in plan.stdout
    assert "unknown, would create onAiJobCreated" in plan.stdout
    assert "firebase deploy --only=" in plan.stdout
    assert not (programs / "state.log").exists()
    deployed = make_deploy(programs, "--project", PROJECT)
    assert deployed.returncode == 2
    assert "You do not currently have an active account" in deployed.stderr


@pytest.mark.parametrize(("program", "named"), [("gcloud", "cloud.google.com/sdk"), ("npx", "nodejs.org")])
def test_a_program_that_is_not_installed_is_named(programs: Path, program: str, named: str) -> None:
    """With the place where it is to be had."""
    (programs / program).unlink()
    only = programs / "only"
    only.mkdir()
    for name in {"gcloud", "npx"} - {program}:
        shutil.move(programs / name, only / name)
    deployed = make_deploy(programs, "--project", PROJECT, "--plan", caller={"PATH": str(only)})
    assert deployed.returncode == 2
    assert named in deployed.stderr


@pytest.mark.parametrize("project", ["Night Shift", "x", "night-shift;reboot"])
def test_what_is_no_project_is_refused(programs: Path, project: str) -> None:
    """Before any program is called."""
    deployed = make_deploy(programs, "--project", project)
    assert deployed.returncode == 2
    assert "is no id of a project" in deployed.stderr
    assert not (programs / "state.log").exists()


def test_a_setting_in_the_callers_environment_is_refused(programs: Path) -> None:
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
