"""App Check: whether Firestore and Storage take requests of the app's own installations only.

Enforced before the app sends its tokens, it locks every user out. So it is left as it is, unless DEPLOY_APP_CHECK says
how it is to be. The Firebase CLI alone sets it, and finds it set.
"""

from collections.abc import AsyncIterator
from typing import Final

from deploy import firebase
from deploy.change import Change
from deploy.deployment import Deployment

_SERVICES: Final = ("firestore", "storage")


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Set it, where it is declared."""
    if mode := deployment.choices.app_check:
        commands = tuple(firebase.app_check(deployment.cloud, service, mode) for service in _SERVICES)
        yield Change(action="check", what=f"{mode} for {', '.join(_SERVICES)}", commands=commands)
