"""A deployment by the real gcloud and the real Firebase CLI, against Google's APIs served on this computer.

`make cloud` runs these: some four hundred commands of gcloud and five of the Firebase CLI.
"""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy import firebase, options, run
from deploy.change import Change
from deploy.choices import Choices
from deploy.cloud import Cloud
from deploy.command import ShellCommand
from deploy.deployment import Deployment
from deploy.errors import CommandFailed, DeployError
from deploy.shell import FIREBASE_CLI, Processes
from deploy.steps import invokers, roles
from deploy.troubles import INSTANCES, PASSING
from nightshift.functions import FUNCTIONS
from tests.deploy.google_apis import PROJECT, REGION, SITE, Fault, GoogleApis, Refusal, serving
from tests.deploy.real_programs import GCLOUD, Programs, environment, running
from tests.deploy.world import ROOT, SECRETS

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed"),
    pytest.mark.timeout(900),
]
# The Firebase CLI knows no way to release rules without a write, even of what is released already.
_RELEASES = "projects/{PROJECT}/releases/"
# The same with pages: a release of what is there already is another version.
_PAGES = "firebasehosting/"


@dataclass
class Site:
    """A checkout, the programs, and the project behind them."""

    google: GoogleApis
    programs: Programs
    root: Path
    home: Path
    address: str
    planned: list[Change] = field(default_factory=list)

    async def deployment(self, patience_seconds: float = 600) -> Deployment:
        """A deployment of the checkout, as the command would begin it."""
        cloud = Cloud(
            project=PROJECT,
            region=REGION,
            shell=self.programs,
            may_be_blind=False,
            pause_seconds=0.05,
            patience_seconds=patience_seconds,
            build_patience_seconds=600,
        )
        given = options.given_secrets(SECRETS)
        await cloud.open()
        settings = options.check_settings(PROJECT, {}, given, {})
        return Deployment(
            cloud=cloud,
            root=self.root,
            settings=settings,
            variables={},
            secrets=given,
            email="ops@example.com",
            choices=Choices(monthly_budget=200, dashboard_site=SITE),
        )

    async def deploy(self, *, plan_only: bool = False) -> list[str]:
        """Deploy; returns the requests that changed something."""
        begin = len(self.google.asked)
        deployment = await self.deployment()
        self.planned = await run.plan(deployment, _quietly, with_commands=False)
        if not plan_only:
            run.refuse_if_missing(self.planned)
            assert await run.take(deployment, _quietly) == []
        asked = self.google.asked[begin:]
        return [f"{one.method} {one.api}/{one.path}" for one in asked if one.changes_something]


def _quietly(_: str) -> None:
    pass


@asynccontextmanager
async def new_site(folder: Path) -> AsyncIterator[Site]:
    """All of this checkout that is deployed, and a new project."""
    google, root, home = GoogleApis(), folder / "checkout", folder / "home"
    (root / "deploy").mkdir(parents=True)
    home.mkdir()
    for name in (
        "firestore.indexes.json",
        "firestore.rules",
        "storage.rules",
        "firebase.json",
        "deploy/lifecycle.json",
        "deploy/images.json",
    ):
        shutil.copy(ROOT / name, root / name)
    for name in ("functions", "monitoring", "dashboard"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / FIREBASE_CLI).symlink_to(ROOT / FIREBASE_CLI)
    with serving(google) as address:
        async with running(google, root, address, home) as programs:
            yield Site(google=google, programs=programs, root=root, home=home, address=address)


def _late(google: GoogleApis) -> Iterator[Fault]:
    """What a new project says to a first deployment, in Google's words of today."""
    metric, eventarc, repository, secret, role = (
        next(trouble.seen for trouble in PASSING if word in trouble.seen)
        for word in (
            *("Cannot find metric(s)", "Eventarc Service Agent", "gcf-artifacts", "Permission denied on secret"),
            "does not exist in the resource's hierarchy",
        )
    )
    yield Fault("POST cloudresourcemanager/.*setIamPolicy", Refusal(400, "INVALID_ARGUMENT", role))
    for _ in range(2):
        yield Fault("POST monitoring/.*alertPolicies", Refusal(404, "NOT_FOUND", metric))
    yield Fault("POST cloudfunctions/.*functions$", Refusal(403, "PERMISSION_DENIED", repository))
    yield Fault("POST cloudfunctions/.*functions$", Refusal(400, "INVALID_ARGUMENT", secret))
    yield Fault("POST cloudfunctions/.*functions$", Refusal(400, "FAILED_PRECONDITION", eventarc))
    yield Fault(
        "POST cloudresourcemanager/.*setIamPolicy", Refusal(409, "ABORTED", "There were concurrent policy changes.")
    )
    yield Fault("POST firebaserules/.*:test", Refusal(503, "UNAVAILABLE", "The service is currently unavailable."))
    yield Fault("POST firestore/.*indexes", Refusal(503, "UNAVAILABLE", "The service is currently unavailable."))


async def test_the_real_programs_deploy_a_new_project_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """A plan that changes nothing, a first run through what is late, a second run; then what was changed by hand."""
    async with new_site(tmp_path) as site:
        google = site.google
        # The Firebase CLI is logged in as another user.
        store = site.home / ".config" / "configstore" / "firebase-tools.json"
        store.parent.mkdir(parents=True)
        user = {
            "user": {"email": "other@example.com"},
            "tokens": {"refresh_token": "1//other", "access_token": "other"},
        }
        store.write_text(json.dumps(user))

        assert await site.deploy(plan_only=True) == []
        assert {"billing", f"20 vCPU in {REGION}"} <= {change.what for change in site.planned}
        google.faults += _late(google)
        assert await site.deploy()
        assert google.faults == []
        assert {name.rpartition("/")[2] for name in google.state if name.startswith("cloudfunctions/")} == {
            function.name for function in FUNCTIONS
        }
        assert f"rules/releases/firebase.storage/{PROJECT}.firebasestorage.app" in google.state
        released = google.state["hosting/released"]
        assert released["config"]["rewrites"][0]["run"] == {"serviceId": "api", "region": REGION}
        assert {"/index.html", "/app.js", "/vendor/firebase-auth.js"} <= released["files"].keys()
        assert "/vendor/README.md" not in released["files"]
        # The Firebase CLI asked for the machine's credentials, as it does only where no user has logged in.
        assert [one for one in google.asked if one.api == "metadata" and one.path.endswith("/token")]

        wanted = json.dumps([google.state, google.policies, google.secrets], sort_keys=True)
        changed = await site.deploy()
        notes = [change.what for change in site.planned if change.action == "note"]
        assert all("this provider is not used" in note for note in notes)
        assert {change.action for change in site.planned} - {"note"} == {"same", "check"}
        assert [one for one in changed if _RELEASES.format(PROJECT=PROJECT) not in one and _PAGES not in one] == []
        assert json.dumps([google.state, google.policies, google.secrets], sort_keys=True) == wanted

        function = google.state["cloudfunctions/functions/onAiJobCreated"]
        function["serviceConfig"] |= {"availableCpu": "2", "secretEnvironmentVariables": []}
        function["eventTrigger"]["triggerRegion"] = "nam5"
        service = google.state[f"run/namespaces/{PROJECT}/services/onaijobcreated"]
        service["spec"]["traffic"] = [{"revisionName": "onaijobcreated-00001", "percent": 100}]
        del google.state[f"iam/projects/P/serviceAccounts/nightshift-tick@{PROJECT}.iam.gserviceaccount.com"]
        assert await site.deploy(plan_only=True) == []
        what = [change.what for change in site.planned if change.action in {"create", "change"}]
        assert "onAiJobCreated: changed by hand: CPU, secrets, trigger, traffic" in what
        assert "nightshift-tick" in what

        await _have_back(site, "iam/projects/P/roles/nightshiftStats")

        google.shares_in_domain_only = True
        policy = google.policies[f"run/namespaces/{PROJECT}/services/getbatchstats"]
        policy["bindings"] = []
        await _take(site, "getbatchstats")
        annotations = google.state[f"run/namespaces/{PROJECT}/services/getbatchstats"]["metadata"]["annotations"]
        assert annotations["run.googleapis.com/invoker-iam-disabled"] == "True"


async def _have_back(site: Site, name: str) -> None:
    """Widen a role by hand and delete it; what is planned for it then makes it as it was."""
    role = site.google.state[name]
    wanted = dict(role)
    role |= {"includedPermissions": [*role["includedPermissions"], "datastore.entities.delete"], "deleted": True}
    deployment = await site.deployment()
    (change,) = [one async for one in roles.changes(deployment)]
    for command in change.commands:
        await deployment.cloud.do(command)
    assert site.google.state[name] == wanted
    assert [one.action async for one in roles.changes(deployment)] == ["same"]


async def _take(site: Site, service: str) -> None:
    """Let the callers of one service be as they are declared, and find nothing to do afterwards."""
    deployment = await site.deployment()
    (change,) = [one async for one in invokers.changes(deployment) if service in one.what and one.action != "same"]
    assert change.instead
    with pytest.raises(CommandFailed) as refused:
        await deployment.cloud.do(change.commands[-1])
    assert refused.value.trouble is change.instead.refused_by
    for command in change.instead.commands:
        await deployment.cloud.do(command)
    assert [one.what async for one in invokers.changes(deployment) if service in one.what] == [
        f"{service} checks no callers"
    ]


async def test_the_real_programs_errors_are_explained_with_their_remedies(tmp_path: Path) -> None:
    """A quota of instances, by gcloud; a missing quota project, by the Firebase CLI, which says so on its output."""
    async with new_site(tmp_path) as site:
        google = site.google
        await _until_functions(site)
        google.faults.append(
            Fault("POST cloudfunctions/.*functions$", Refusal(400, "INVALID_ARGUMENT", INSTANCES.seen))
        )
        with pytest.raises(DeployError, match="DEPLOY_MAX_INSTANCES") as told:
            await site.deploy()
        assert "CpuAllocPerProjectRegion requested: 50000 allowed: 20000" in str(told.value)

        deployment = await site.deployment()
        rules = firebase.deploy(
            deployment.cloud, only="firestore:rules", uploads_bucket=deployment.settings.uploads_bucket
        )
        other = Processes(site.root, "another-project", environment(site.address, site.home))
        deployment.cloud._shell = other
        with pytest.raises(CommandFailed, match="requires a quota project") as refused:
            await deployment.cloud.do(rules)
        assert refused.value.trouble
        assert "set-quota-project night-shift-test" in str(refused.value)


async def _until_functions(site: Site) -> None:
    """All that a deployment makes before its functions, without the Firebase CLI's part."""
    google = site.google
    google.faults.append(Fault("POST cloudfunctions/.*functions$", Refusal(400, "INVALID_ARGUMENT", "stop here")))
    with pytest.raises(DeployError, match="stop here"):
        await site.deploy()


async def test_gcloud_as_a_process_of_its_own_answers_as_in_ours(tmp_path: Path) -> None:
    """The same command in both ways: what the tests above share is the start of the program alone."""
    async with new_site(tmp_path) as site:
        command = ShellCommand(arguments=("gcloud", "projects", "describe", PROJECT, "--format=json", "--quiet"))
        alone = await Processes(site.root, PROJECT, environment(site.address, site.home)).run(command)
        shared: Any = await site.programs.run(command)
        assert alone.exit_code == shared.exit_code == 0
        assert json.loads(alone.stdout) == json.loads(shared.stdout)
