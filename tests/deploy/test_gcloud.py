"""gcloud's own parser accepts every command that a deployment runs, and every one that the documentation names."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.destroy import BUCKET, DATABASE, destroy
from tests.deploy.google import PROJECT
from tests.deploy.world import ROOT, SECRETS, Terminal, new_site

_PAGES = ("README.md", "SECURITY.md", "docs/DEPLOY.md", "docs/OPERATIONS.md", "docs/ARCHITECTURE.md")
# A shell's variable, and what the reader puts in.
_PLACEHOLDERS = re.compile(r"\$\{?[A-Z_]+\}?|\$\([^)]*\)|\bPROJECT\b|\bREGION\b|\bNUMBER\b")

gcloud = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(gcloud is None, reason="gcloud is not installed")


async def _agree(_: str) -> None:
    """What a person says who is asked whether all of it may go."""


def errors_of(commands: Sequence[Sequence[str]], folder: Path, checkout: Path = ROOT) -> list[str | None]:
    """What gcloud says to each command, instead of running it; None if it accepts it."""
    sdk = Path(str(gcloud)).resolve().parents[1]
    bundled = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    parsed = subprocess.run(  # noqa: S603 - the SDK's Python, and a program of ours
        [bundled if bundled.exists() else sys.executable, Path(__file__).with_name("gcloud_parser.py"), sdk / "lib"],
        input=json.dumps([list(command) for command in commands]),
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "CLOUDSDK_CONFIG": str(folder),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        },
        cwd=checkout,  # some flags name files, and gcloud reads those while it parses
        capture_output=True,
        text=True,
        check=True,
    )
    errors: list[str | None] = json.loads(parsed.stdout)
    return errors


def refused(commands: Sequence[Sequence[str]], folder: Path, checkout: Path = ROOT) -> list[str]:
    """The commands that gcloud does not accept, with what it says."""
    errors = errors_of(commands, folder, checkout)
    return [f"{shlex.join(command)}\n{error}" for command, error in zip(commands, errors, strict=True) if error]


async def test_gcloud_accepts_every_command_of_a_deployment(tmp_path: Path) -> None:
    """Of a plan, of a first run, of one that finds much changed, of one with another key, and of taking it away."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    site = new_site(folder)
    if (ROOT / "monitoring").exists():
        shutil.copytree(ROOT / "monitoring", folder / "monitoring", dirs_exist_ok=True)
    terminals = [await site.deploy(plan_only=True), await site.deploy(email="ops@example.com")]
    site.state["databases"][0].pop("deleteProtectionState")
    site.state["buckets"][f"{PROJECT}-nightshift"].pop("lifecycle")
    site.state["metrics"]["nightshift_sample"]["filter"] = "another"
    for alert in site.state["alerts"].values():
        alert["userLabels"]["declared"] = "another"
    stats = f"serviceAccount:nightshift-stats@{PROJECT}.iam.gserviceaccount.com"
    for policy in site.state["policies"].values():
        policy.append(["roles/viewer", stats])
    site.state.update(hmac_keys={"GOOG1ESTRAY": "ACTIVE"}, forbids_keys=True)
    terminals += [
        await site.deploy(
            SECRETS | {"OPENAI_API_KEY": "sk-2"}, settings="NIGHTSHIFT_IMAGE_HOSTS=a.io,b.io\nDEPLOY_MONTHLY_BUDGET=200"
        )
    ]
    terminals.append(Terminal(site.google))
    await destroy(await site.begin(terminals[-1]), [DATABASE, BUCKET], site.said.append, _agree)
    ran = {command.arguments[1:] for one in terminals for command in one.commands if command.arguments[0] == "gcloud"}
    ran.add(("auth", "application-default", "print-access-token", "--quiet"))
    verbs = {" ".join(words[:3]) for words in ran}
    for expected in (
        "storage buckets update",
        "storage hmac create",
        "storage hmac update",
        "storage hmac delete",
        "secrets update image-signing-key",
        "alpha monitoring policies",
        "functions deploy onAiJobCreated",
        "functions delete onAiJobCreated",
    ):
        assert expected in verbs
    assert any("remove-iam-policy-binding" in words for words in ran)
    assert refused(sorted(ran), tmp_path, folder) == []


def test_gcloud_accepts_every_command_of_the_documentation(tmp_path: Path) -> None:
    """Whatever stands in a block of code, or in one's own words between backticks, and begins with gcloud."""
    commands = [words for page in _PAGES if (ROOT / page).exists() for words in documented((ROOT / page).read_text())]
    assert refused(commands, tmp_path) == []


def test_gcloud_refuses_what_is_wrong(tmp_path: Path) -> None:
    """So the tests above can fail: unknown flags and commands, bad choices and values, required ones left out."""
    wrong = (
        ("pubsub", "topics", "create", "one", "--no-such-flag"),
        ("functions", "deploy", "one", "--gen2", "--ingress-settings=sometimes"),
        ("functions", "deploy", "one", "--timeout=soon"),
        ("firestore", "databases", "create", "--database=(default)"),
        ("pubsub", "topics", "create"),
        ("pubsub", "subjects", "create", "one"),
        ("run", "services", "get-iam-policy", "--region=asia-south1", "--project=one"),
    )
    assert [bool(error) for error in errors_of(wrong, tmp_path)] == [True] * len(wrong)


def test_commands_are_found_in_a_page() -> None:
    """In blocks, over several lines, and between backticks; placeholders become words."""
    page = (
        "Look by `gcloud run services list --region $REGION`:\n```sh\n"
        "gcloud pubsub topics list \\\n  --project $PROJECT\nmake deploy\nX=$(gcloud info)\n```\nand `make`\n"
    )
    assert documented(page) == [
        ["pubsub", "topics", "list", "--project", "placeholder"],
        ["run", "services", "list", "--region", "placeholder"],
    ]


def documented(page: str) -> list[list[str]]:
    """The commands of gcloud in a page of Markdown, without their first word."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(gcloud [^`]+)`", re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE))
    found = []
    for line in lines:
        if line.strip().startswith("gcloud "):
            typed = re.split(r"\s[|<>#]|\s&&", _PLACEHOLDERS.sub("placeholder", line.strip()))[0]
            found.append(shlex.split(typed)[1:])
    return found
