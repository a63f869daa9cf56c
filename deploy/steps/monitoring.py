"""The log-based metrics, dashboards and alert policies of `monitoring/`, and to whom alerts are sent.

A metric's name is its file's. An alert is known by its labels `app` and `name`; a third one, `declared`, is a digest of
what it was made from, since the API gives a policy back with names and defaults of its own.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from deploy.change import Change, same
from deploy.deployment import Deployment
from deploy.errors import DeployError

_APP: Final = "nightshift"


async def metrics(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the metrics, and bring those that differ to what their files say."""
    cloud = deployment.cloud
    live = {metric["name"]: metric for metric in await cloud.look("logging", "metrics", "list") or []}
    for path in sorted((deployment.root / "monitoring" / "metrics").glob("*.json")):
        declared = json.loads(path.read_text())
        file = f"--config-from-file={path.relative_to(deployment.root)}"
        if path.stem not in live:
            command = cloud.gcloud("logging", "metrics", "create", path.stem, file)
            yield Change(action="create", what=path.stem, commands=(command,))
        elif _holds(live[path.stem], declared):
            yield same(path.stem)
        else:
            command = cloud.gcloud("logging", "metrics", "update", path.stem, file)
            yield Change(action="change", what=path.stem, commands=(command,))


async def dashboards(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the dashboards, and make those anew that differ from what their files say; each is known by its title."""
    cloud = deployment.cloud
    words = ("monitoring", "dashboards")
    live = {board["displayName"]: board for board in await cloud.look(*words, "list") or []}
    for path in sorted((deployment.root / "monitoring" / "dashboards").glob("*.json")):
        declared = json.loads(path.read_text())
        title = declared["displayName"]
        create = cloud.gcloud(*words, "create", f"--config-from-file={path.relative_to(deployment.root)}")
        if title not in live:
            yield Change(action="create", what=title, commands=(create,))
        elif _holds(live[title], declared):
            yield same(title)
        else:
            yield Change(
                action="change", what=title, commands=(cloud.gcloud(*words, "delete", live[title]["name"]), create)
            )


async def channel(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the channel to the address that is given, if one is."""
    if not deployment.email:
        return
    what = f"e-mail to {deployment.email}"
    if await _channel(deployment):
        yield same(what)
        return
    create = ("beta", "monitoring", "channels", "create", "--type=email", f"--display-name={_APP}")
    command = deployment.cloud.gcloud(*create, f"--channel-labels=email_address={deployment.email}")
    yield Change(action="create", what=what, commands=(command,))


async def alerts(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the policies, and bring those that differ to what their files say. They keep the channels that they have.

    Raises:
        DeployError: a file does not name itself.
    """
    cloud = deployment.cloud
    told = await _channel(deployment)
    live = {}
    for policy in await cloud.look("alpha", "monitoring", "policies", "list") or []:
        if policy.get("userLabels", {}).get("app") == _APP:
            live[policy["userLabels"].get("name")] = policy
    for path in sorted((deployment.root / "monitoring" / "alerts").glob("*.json")):
        declared = json.loads(path.read_text())
        name = declared.get("userLabels", {}).get("name")
        if not name or declared["userLabels"].get("app") != _APP:
            raise DeployError(f"{path}: userLabels must hold app = {_APP} and a name.")
        yield _alert(deployment, path, declared, live.get(name), told)


def _alert(
    deployment: Deployment, path: Path, declared: dict[str, Any], live: dict[str, Any] | None, told: str | None
) -> Change:
    cloud = deployment.cloud
    digest = hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:32]
    labels = {**declared["userLabels"], "declared": digest}
    kept = live.get("notificationChannels", []) if live else []
    # In a plan, the channel may not exist yet.
    new = (told or "CHANNEL") if deployment.email else None
    channels = [*kept, new] if new and new not in kept else kept
    file = f"--policy-from-file={path.relative_to(deployment.root)}"
    named = ",".join(f"{name}={value}" for name, value in labels.items())
    policies = ("alpha", "monitoring", "policies")
    if live is None:
        flags = (f"--user-labels={named}", *([f"--notification-channels={new}"] if new else []))
        return Change(action="create", what=labels["name"], commands=(cloud.gcloud(*policies, "create", file, *flags),))
    if live["userLabels"].get("declared") == digest and channels == kept and live.get("enabled") is not False:
        return same(labels["name"])
    # The whole policy is replaced by the file, which names no channel: those that are to stay are said again.
    flags = (
        f"--update-user-labels={named}",
        *([f"--set-notification-channels={','.join(channels)}"] if channels else []),
    )
    command = cloud.gcloud(*policies, "update", live["name"], file, *flags)
    return Change(action="change", what=labels["name"], commands=(command,))


async def _channel(deployment: Deployment) -> str | None:
    if deployment.email:
        for found in await deployment.cloud.look("beta", "monitoring", "channels", "list") or []:
            if found.get("type") == "email" and found.get("labels", {}).get("email_address") == deployment.email:
                return str(found["name"])
    return None


def _holds(live: Any, declared: Any) -> bool:
    """Whether everything that is declared is there; the API adds to it."""
    if isinstance(declared, dict):
        return isinstance(live, dict) and all(_holds(live.get(key), value) for key, value in declared.items())
    if isinstance(declared, list):
        return (
            isinstance(live, list)
            and len(live) == len(declared)
            and all(_holds(mine, theirs) for mine, theirs in zip(live, declared, strict=True))
        )
    return bool(live == declared)
