"""What a plan finds before the first change: it names the remedy, and nothing is begun."""

from pathlib import Path
from typing import Any

import pytest

from deploy.errors import DeployError
from tests.deploy.google import PROJECT
from tests.deploy.world import Site, new_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A new project."""
    return new_site(tmp_path)


_ASIA = {"listPolicy": {"allowedValues": ["in:europe-locations"]}}
_NO_ACCOUNTS = {"booleanPolicy": {"enforced": True}}


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ({"has_billing": False}, f"gcloud billing projects link {PROJECT}"),
        ({"components": ["Google Cloud SDK"]}, "gcloud components install alpha beta"),
        ({"milli_cpu": 3_000}, "DEPLOY_MAX_INSTANCES"),
        ({"organisation": {"gcp.resourceLocations": _ASIA}}, "choose REGION"),
        ({"organisation": {"iam.disableServiceAccountCreation": _NO_ACCOUNTS}}, "have it allow them"),
    ],
)
async def test_what_would_stop_a_deployment_half_way_stops_it_before_it_begins(
    site: Site, state: dict[str, Any], remedy: str
) -> None:
    """With the command, the setting or the policy that mends it."""
    site.state.update(state)
    with pytest.raises(DeployError, match=remedy):
        await site.deploy()
    assert site.state["apis"] == []


async def test_a_plan_says_who_acts_and_what_the_organisation_will_refuse(site: Site) -> None:
    """Neither stops it."""
    domain = {"listPolicy": {"allowedValues": ["C0123"]}}
    site.state["organisation"] = {"iam.allowedPolicyMemberDomains": domain}
    await site.deploy(plan_only=True)
    assert any("gcloud acts as ops@example.com" in line for line in site.said)
    assert any("in Cloud Run openaiWebhook, getBatchStats, api will check no callers" in line for line in site.said)
    assert "note" in site.actions()
    assert "missing" not in site.actions()


async def test_a_region_that_the_policy_names_is_fine(site: Site) -> None:
    """By its own name, or by that of a group of places."""
    for allowed in ("in:asia-locations", "asia-south1", "in:asia-south1-locations"):
        site.state["organisation"] = {"gcp.resourceLocations": {"listPolicy": {"allowedValues": [allowed]}}}
        await site.deploy(plan_only=True)
        assert "missing" not in site.actions()
