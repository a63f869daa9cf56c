"""What `make destroy` takes away, what it keeps, and that a later deployment finds its way."""

from pathlib import Path

import pytest

from cli.commands.command import Refused
from deploy.destroy import BUCKET, DATABASE, destroy
from tests.deploy.google import PROJECT
from tests.deploy.world import Site, Terminal, copy_of, new_site


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    """A project with all of Nightshift."""
    site = new_site(tmp_path)
    await site.deploy(email="ops@example.com")
    return site


async def destroyed(site: Site, *also: str, says: str = PROJECT) -> list[str]:
    """Take it away; returns what was said."""
    said: list[str] = []
    deployment = await site.begin(Terminal(site.google))

    async def agree(_: str) -> None:
        if says != PROJECT:
            raise Refused("Nothing was changed.")

    await destroy(deployment, also, said.append, agree)
    return said


async def test_all_goes_but_the_data_and_a_later_deployment_brings_it_back(site: Site) -> None:
    """Also the accounts, whose policies Google hides once they are gone; their grants went first."""
    before = copy_of(site.state)
    said = await destroyed(site)
    gone = ("functions", "services", "topics", "schedules", "secrets", "accounts", "alerts", "subscriptions")
    assert not any(site.state[kind] for kind in gone)
    assert [metric for metric in site.state["metrics"] if metric.startswith("nightshift_")] == []
    kept = ("databases", "backups", "indexes", "buckets", "rules", "apis")
    assert {kind: site.state[kind] for kind in kept} == {kind: before[kind] for kind in kept}
    assert "Kept: database, bucket; --also=database,bucket takes that away as well." in said
    assert not [grant for grant in site.state["policies"][f"projects {PROJECT}"] if "nightshift-" in grant[1]]
    await site.deploy(email="ops@example.com")
    assert {**site.state, "alerts": None} == {**before, "alerts": None}
    assert len(site.state["alerts"]) == len(before["alerts"])


async def test_it_asks_and_changes_nothing_without_the_projects_name(site: Site) -> None:
    """What would go has been said by then."""
    before = copy_of(site.state)
    with pytest.raises(Refused, match=r"Nothing was changed\."):
        await destroyed(site, says="yes")
    assert site.state == before


async def test_database_and_bucket_go_where_they_are_named(site: Site) -> None:
    """The app's own bucket never does; a second run finds nothing."""
    await destroyed(site, DATABASE, BUCKET)
    assert site.state["databases"] == []
    assert list(site.state["buckets"]) == [f"{PROJECT}.firebasestorage.app"]
    assert "There is nothing to take away." in await destroyed(site, DATABASE, BUCKET)
