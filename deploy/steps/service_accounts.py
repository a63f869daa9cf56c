"""The service accounts, still without a right."""

from collections.abc import AsyncIterator

from deploy.accounts import ACCOUNTS, email
from deploy.change import Change, same
from deploy.deployment import Deployment


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create those that do not exist."""
    cloud = deployment.cloud
    existing = await deployment.accounts()
    for account, title in ACCOUNTS.items():
        if email(cloud, account) in existing:
            yield same(account)
            continue
        command = cloud.gcloud("iam", "service-accounts", "create", account, f"--display-name={title}")
        yield Change(action="create", what=account, commands=(command,))
