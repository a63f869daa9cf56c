"""The rules of the database and of the app's bucket. Nothing but the Firebase CLI releases them, or shows them.

It compares them with what is released, whoever released it. So it is always asked: what keeps hostile clients out is
not believed to be there because we once put it there.
"""

from collections.abc import AsyncIterator

from deploy import firebase
from deploy.change import Change
from deploy.deployment import Deployment


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Release both."""
    command = firebase.deploy(deployment.cloud, only="firestore:rules,storage")
    yield Change(action="check", what="firestore.rules, storage.rules", commands=(command,))
