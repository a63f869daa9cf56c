"""The dashboard's pages, on a site of Firebase Hosting.

A project's first site may be the app's own, and a release replaces all that a site has. So the pages are released only
to the site that DEPLOY_DASHBOARD_SITE names. The Firebase CLI alone uploads them; it sends what the site does not have.
"""

from collections.abc import AsyncIterator

from deploy import firebase
from deploy.change import Change
from deploy.deployment import Deployment


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Release them, where a site is named."""
    if site := deployment.choices.dashboard_site:
        command = firebase.deploy_pages(deployment.cloud, site, deployment.root)
        yield Change(action="check", what=f"dashboard/ on https://{site}.web.app", commands=(command,))
