"""The budget alert of the billing account: it tells when the project costs more than it should, and stops nothing.

It belongs to the billing account, which a deployer need not see. Then the plan names the command for its owner.
https://cloud.google.com/billing/docs/how-to/budgets
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.change import Change, same
from deploy.command import ShellCommand
from deploy.deployment import Deployment

_THRESHOLDS: Final = (
    "--threshold-rule=percent=0.5",
    "--threshold-rule=percent=0.9",
    "--threshold-rule=percent=1.0,basis=forecasted-spend",
)


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the alert, or bring its amount to what the settings say; left alone where they say nothing."""
    cloud, amount = deployment.cloud, deployment.choices.monthly_budget
    if amount is None:
        return
    name = f"nightshift {cloud.project}"
    what = f"{name}: {amount} a month"
    account = await _billing_account(deployment)
    listed = await _hear(deployment, _gcloud(deployment, "list", account, "--format=json")) if account else None
    create = _gcloud(
        deployment,
        "create",
        account or "ACCOUNT",
        f"--display-name={name}",
        f"--budget-amount={amount}",
        f"--filter-projects=projects/{cloud.project}",
        *_THRESHOLDS,
    )
    live = next((budget for budget in listed or [] if budget.get("displayName") == name), None)
    if live:
        if _units(live) == amount:
            yield same(what)
            return
        update = _gcloud(deployment, "update", account or "", f"--budget-amount={amount}", name=live["name"])
        yield Change(action="change", what=what, commands=(update,))
    elif listed is not None or cloud.blind_because:
        yield Change(action="create", what=what, commands=(create,))
    else:
        yield Change(action="note", what=f"{what}: budgets cannot be seen here; the account's owner runs {create}")


async def _billing_account(deployment: Deployment) -> str | None:
    project = deployment.cloud.project
    # This command takes the project as its argument.
    describe = deployment.cloud.plain_gcloud("billing", "projects", "describe", project, "--format=json")
    found = await _hear(deployment, describe)
    return str(found["billingAccountName"]).rpartition("/")[2] if found and found.get("billingAccountName") else None


def _gcloud(deployment: Deployment, verb: str, account: str, *flags: str, name: str = "") -> ShellCommand:
    """A command about budgets: an account's, not a project's; the project is charged for the call."""
    named = (name,) if name else (f"--billing-account={account}",)
    return deployment.cloud.plain_gcloud(
        "billing", "budgets", verb, *named, *flags, f"--billing-project={deployment.cloud.project}"
    )


async def _hear(deployment: Deployment, command: ShellCommand) -> Any:
    said = await deployment.cloud.hear(command)
    return None if said is None else json.loads(said or "[]")


def _units(budget: dict[str, Any]) -> int | None:
    units = budget.get("amount", {}).get("specifiedAmount", {}).get("units")
    return int(units) if units is not None else None
