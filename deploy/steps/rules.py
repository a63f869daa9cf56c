"""The rules of the database and of the bucket of uploads. Nothing but the Firebase CLI releases them, or shows them.

It compares them with what is released, also by hand. So it is always asked: what keeps hostile clients out is not
believed to be there because we once put it there.
"""

from collections.abc import AsyncIterator

from deploy import firebase
from deploy.change import Change
from deploy.deployment import Deployment


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Release both."""
    bucket = deployment.settings.uploads_bucket
    command = firebase.deploy(deployment.cloud, only="firestore:rules,storage", uploads_bucket=bucket)
    yield Change(action="check", what=f"firestore.rules, storage.rules on gs://{bucket}", commands=(command,))
