"""The key that signs images' addresses: made once, kept while it is needed, taken away when no version holds it."""

from pathlib import Path

import pytest

from nightshift.functions import FUNCTIONS
from tests.deploy.google import PROJECT
from tests.deploy.world import Site, copy_of, new_site

SECRET = "image-signing-key"
LABEL = {SECRET: {"signed-by": "iam"}}


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    """A project with all of Nightshift."""
    site = new_site(tmp_path)
    await site.deploy()
    return site


def signing(site: Site) -> dict[str, str]:
    """The version of the key that each function has."""
    return {
        name: one["version"]
        for name, function in site.state["functions"].items()
        for one in function["serviceConfig"]["secretEnvironmentVariables"]
        if (one["key"], one["secret"]) == ("IMAGE_SIGNING_KEY", SECRET)
    }


def new_key(site: Site) -> str:
    """Make a key and a version of it as the runbook says; returns its access id."""
    account = f"nightshift-images@{PROJECT}.iam.gserviceaccount.com"
    make = ["gcloud", "storage", "hmac", "create", account, '--format=value[separator=":"](metadata.accessId,secret)']
    _, made, _ = site.google.answer(make, "")
    site.google.answer(["gcloud", "secrets", "versions", "add", SECRET, "--data-file=-"], made.strip())
    return made.partition(":")[0]


async def test_the_key_reaches_those_who_ask_the_provider_and_opens_uploads_alone(site: Site) -> None:
    """One key; its account reads objects of the app's bucket, and has no other right."""
    assert signing(site) == {row.name: "1" for row in FUNCTIONS if row.signs_images}
    assert list(site.state["hmac_keys"].values()) == ["ACTIVE"]
    (value,) = site.state["secrets"][SECRET]
    assert value.partition(":")[0] in site.state["hmac_keys"]
    reader = f"serviceAccount:nightshift-images@{PROJECT}.iam.gserviceaccount.com"
    granted = [(on, *grant) for on, policy in site.state["policies"].items() for grant in policy if reader in grant]
    uploads = f"storage buckets gs://{PROJECT}.firebasestorage.app"
    assert granted == [(uploads, "roles/storage.legacyObjectReader", reader)]

    bucket = site.state["buckets"][f"{PROJECT}.firebasestorage.app"]
    bucket["iamConfiguration"] = {"uniformBucketLevelAccess": {"enabled": True}}
    await site.deploy()
    granted = [(on, *grant) for on, policy in site.state["policies"].items() for grant in policy if reader in grant]
    where = f"resource.name.startsWith('projects/_/buckets/{PROJECT}.firebasestorage.app/objects/users/')"
    assert granted == [(uploads, "roles/storage.objectViewer", reader, where)]


async def test_a_new_version_signs_and_the_older_key_stays_until_its_version_is_disabled(site: Site) -> None:
    """Rotation: what the older key has signed stays good as long as the operator wants."""
    (old,) = site.state["hmac_keys"]
    new = new_key(site)
    await site.deploy()
    assert set(signing(site).values()) == {"2"}
    assert site.state["hmac_keys"] == {old: "ACTIVE", new: "ACTIVE"}

    site.state["disabled_versions"] = [[SECRET, 1]]
    await site.deploy()
    assert site.state["hmac_keys"] == {new: "ACTIVE"}
    assert set(signing(site).values()) == {"2"}
    before = copy_of(site.state)
    await site.deploy()
    assert site.state == before


@pytest.mark.parametrize("how", ["deactivated", "deleted", "its version disabled"])
async def test_a_key_that_was_withdrawn_is_replaced(site: Site, how: str) -> None:
    """All its addresses have ended at once; those from now on are signed by a new key."""
    (old,) = site.state["hmac_keys"]
    match how:
        case "deactivated":
            site.state["hmac_keys"][old] = "INACTIVE"
        case "deleted":
            site.state["hmac_keys"] = {}
        case _:
            site.state["disabled_versions"] = [[SECRET, 1]]

    await site.deploy()

    assert set(signing(site).values()) == {"2"}
    assert len(site.state["secrets"][SECRET]) == 2
    signs = site.state["secrets"][SECRET][1].partition(":")[0]
    assert site.state["hmac_keys"][signs] == "ACTIVE"


async def test_where_an_organisation_forbids_keys_iam_signs_until_it_allows_them(tmp_path: Path) -> None:
    """The plan says so, no function gets a key, and a second run finds nothing to do."""
    site = new_site(tmp_path)
    site.state["forbids_keys"] = True
    site.state["organisation"] = {"iam.disableServiceAccountKeyCreation": {"booleanPolicy": {"enforced": True}}}

    await site.deploy()

    assert site.left == []
    assert any("IAM will sign images' addresses" in change.what for change in site.planned if change.action == "note")
    assert (site.state["labels"], site.state["hmac_keys"], signing(site)) == (LABEL, {}, {})
    before = copy_of(site.state)
    terminal = await site.deploy()
    assert site.state == before
    assert not [command for command in terminal.made if "hmac" in command]
    (left_out,) = [change.what for change in site.planned if change.action == "left out"]
    assert "--remove-labels=signed-by" in left_out

    site.state.update(forbids_keys=False, labels={})
    await site.deploy()
    assert set(signing(site).values()) == {"1"}


async def test_a_key_may_be_given_up_for_iam_by_hand(site: Site) -> None:
    """A policy that came later refuses what it signs. The label takes it from the functions."""
    site.state["labels"] = LABEL
    await site.deploy()
    assert signing(site) == {}


async def test_a_plan_of_a_first_deployment_shows_the_key_with_the_functions(tmp_path: Path) -> None:
    """As they will be deployed; and the pipe by which the secret goes from the one command to the other."""
    site = new_site(tmp_path)
    await site.deploy(plan_only=True)
    said = "\n".join(site.said)
    assert "IMAGE_SIGNING_KEY=image-signing-key:1" in said
    assert "gcloud storage hmac create nightshift-images@" in said
    assert " | gcloud secrets versions add image-signing-key --data-file=- " in said
