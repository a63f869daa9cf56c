"""What `deploy/settings/PROJECT.env` says about the deployment itself: names that begin with DEPLOY_.

The functions never see these. The others in that file are the functions' own settings (`options.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.errors import DeployError
from nightshift.functions import FUNCTIONS

PREFIX: Final = "DEPLOY_"
_MAX_INSTANCES: Final = "DEPLOY_MAX_INSTANCES"
_APP_CHECK: Final = "DEPLOY_APP_CHECK"
DASHBOARD_SITE: Final = "DEPLOY_DASHBOARD_SITE"
# https://firebase.google.com/docs/hosting/multisites#set_up_deploy_targets
_SITE: Final = re.compile(r"[a-z0-9][a-z0-9-]{4,28}[a-z0-9]")
MONTHLY_BUDGET: Final = "DEPLOY_MONTHLY_BUDGET"
# https://firebase.google.com/docs/app-check/enable-enforcement
_MODES: Final = ("off", "unenforced", "enforced")
# https://cloud.google.com/run/quotas
_MOST: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Choices:
    """One project's choices."""

    # Deployed name → the most instances, where this project has more or fewer than the table of functions.
    max_instances: Mapping[str, int] = field(default_factory=dict)
    # How Firestore and Storage treat requests that come from no installation of the app; None leaves it as it is.
    app_check: str | None = None
    # Of which the billing account tells, in its own currency; None makes no alert, and leaves one that there is.
    monthly_budget: int | None = None
    # The site of Firebase Hosting that is the dashboard's alone; None = the dashboard is not released.
    dashboard_site: str | None = None


def choices_of(variables: Mapping[str, str]) -> Choices:
    """Read and check them.

    Raises:
        DeployError: one is unknown or malformed, and is named.
    """
    for name in variables:
        if name not in {_MAX_INSTANCES, _APP_CHECK, MONTHLY_BUDGET, DASHBOARD_SITE}:
            raise DeployError(f"{name} is no setting of a deployment.")
    app_check = variables.get(_APP_CHECK) or None
    if app_check not in {None, *_MODES}:
        raise DeployError(f"{_APP_CHECK} must be one of {', '.join(_MODES)}.")
    site = variables.get(DASHBOARD_SITE) or None
    if site and not _SITE.fullmatch(site):
        raise DeployError(f"{DASHBOARD_SITE} must be the id of a site of Firebase Hosting.")
    return Choices(
        max_instances=_instances(variables.get(_MAX_INSTANCES, "")),
        app_check=app_check,
        monthly_budget=_amount(variables.get(MONTHLY_BUDGET, "")),
        dashboard_site=site,
    )


def _amount(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise DeployError(f"{MONTHLY_BUDGET} must be a whole number, in the billing account's currency.")
    return int(text)


def _instances(text: str) -> dict[str, int]:
    names = {function.name for function in FUNCTIONS}
    found = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, number = part.partition(":")
        if name not in names or not number.isdecimal() or not 1 <= int(number) <= _MOST:
            raise DeployError(f"{_MAX_INSTANCES}: {part!r} is not of the form onAiJobCreated:20, with 1 to {_MOST}.")
        found[name] = int(number)
    return found
