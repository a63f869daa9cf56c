"""`python -m deploy.destroy --project P`: take away what a deployment made.

The plan comes first, and then a question. The database and the private bucket stay, unless `--also` names them: nothing
brings their documents back. The app's bucket, Firebase's users, the rules and the enabled APIs stay in any case. A
later deployment makes all else anew. To run it again is always safe.
"""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from cli import terminal
from cli.commands.confirmation import confirm
from cli.program import run_to_its_end, say
from deploy.__main__ import INTERRUPTED
from deploy.accounts import ACCOUNTS, email, member
from deploy.begin import begin
from deploy.change import Change
from deploy.cloud import Cloud
from deploy.deployment import Deployment
from deploy.errors import DeployError
from deploy.lock import held
from deploy.policies import Resource
from deploy.run import Say
from deploy.steps import image_key
from nightshift.functions import DEAD_LETTERS, FUNCTIONS, IMAGE_KEY, SECRETS

DATABASE: Final = "database"
BUCKET: Final = "bucket"
# Asks whether what was said may be done; raises Refused.
Agree = Callable[[str], Awaitable[None]]
# The label of our dashboards.
_BOARD: Final = "nightshift"


async def removals(deployment: Deployment) -> AsyncIterator[Change]:
    """What there is to take away, in an order in which nothing is called that has lost what it needs."""
    cloud, region = deployment.cloud, f"--region={deployment.cloud.region}"
    async for change in _monitoring(cloud):
        yield change
    async for change in _schedules(cloud):
        yield change
    live = await deployment.live_functions()
    for function in FUNCTIONS:
        if function.name in live:
            yield _remove(cloud, function.name, "functions", "delete", function.name, "--gen2", region)
    topics = {row.topic for row in FUNCTIONS if row.topic} | {DEAD_LETTERS}
    for kind in ("subscriptions", "topics"):
        for one in await cloud.look("pubsub", kind, "list") or []:
            name = one["name"].rpartition("/")[2]
            if name in topics:
                yield _remove(cloud, f"{kind[:-1]} {name}", "pubsub", kind, "delete", name)
    async for change in image_key.removals(deployment):
        yield change
    for secret in sorted({*SECRETS, IMAGE_KEY} & await deployment.secret_names()):
        yield _remove(cloud, f"secret {secret}", "secrets", "delete", secret)
    async for change in _accounts(deployment):
        yield change


async def _monitoring(cloud: Cloud) -> AsyncIterator[Change]:
    policies = ("alpha", "monitoring", "policies")
    for policy in await cloud.look(*policies, "list") or []:
        labels = policy.get("userLabels", {})
        if labels.get("app") == "nightshift":
            yield _remove(cloud, f"alert {labels.get('name')}", *policies, "delete", policy["name"])
    for board in await cloud.look("monitoring", "dashboards", "list") or []:
        if _BOARD in board.get("labels", {}):
            yield _remove(
                cloud, f"dashboard {board['displayName']}", "monitoring", "dashboards", "delete", board["name"]
            )
    for metric in await cloud.look("logging", "metrics", "list") or []:
        if metric["name"].startswith("nightshift_"):
            yield _remove(cloud, f"metric {metric['name']}", "logging", "metrics", "delete", metric["name"])


async def _schedules(cloud: Cloud) -> AsyncIterator[Change]:
    place = f"--location={cloud.region}"
    declared = {row.name for row in FUNCTIONS if row.schedule}
    for job in await cloud.look("scheduler", "jobs", "list", place) or []:
        name = job["name"].rpartition("/")[2]
        if name in declared:
            yield _remove(cloud, f"schedule {name}", "scheduler", "jobs", "delete", name, place)


async def data(deployment: Deployment, also: Sequence[str]) -> AsyncIterator[Change]:
    """What holds documents and files, as far as it is named."""
    cloud = deployment.cloud
    if BUCKET in also and deployment.settings.bucket in await deployment.buckets():
        address = f"gs://{deployment.settings.bucket}"
        yield _remove(cloud, f"{address}, with all in it", "storage", "rm", "--recursive", address)
    if DATABASE in also and await cloud.look("firestore", "databases", "list"):
        database = "--database=(default)"
        open_it = cloud.gcloud("firestore", "databases", "update", database, "--no-delete-protection")
        delete = cloud.gcloud("firestore", "databases", "delete", database)
        yield Change(action="remove", what="the database (default), with all in it", commands=(open_it, delete))


async def _accounts(deployment: Deployment) -> AsyncIterator[Change]:
    """The accounts, after their grants: a grant to a deleted account would stay in the policy, and mean no one."""
    cloud = deployment.cloud
    there = await deployment.accounts()
    project = Resource(kind=("projects",), name=cloud.project, has_conditions=True)
    policy = await cloud.look(*project.policy()) or {}
    ours = {member(cloud, account) for account in ACCOUNTS}
    for binding in policy.get("bindings", []):
        for who in sorted(ours & set(binding["members"])):
            where = binding.get("condition", {}).get("expression")
            command = cloud.gcloud(*project.change("remove", binding["role"], who, where))
            yield Change(action="remove", what=f"{binding['role']} for {who}", commands=(command,))
    for account in ACCOUNTS:
        if email(cloud, account) in there:
            yield _remove(cloud, f"account {account}", "iam", "service-accounts", "delete", email(cloud, account))


def _remove(cloud: Cloud, what: str, *words: str) -> Change:
    return Change(action="remove", what=what, commands=(cloud.gcloud(*words),))


async def destroy(deployment: Deployment, also: Sequence[str], say: Say, agree: Agree) -> None:
    """Say what would go; take it away once a person has said yes.

    Raises:
        Refused: a person did not agree.
        DeployError: a command failed.
    """
    changes = [change async for change in removals(deployment)]
    gone_for_ever = [change async for change in data(deployment, also)]
    for change in (*changes, *gone_for_ever):
        say(f"  remove    {change.what}")
    if kept := [name for name in (DATABASE, BUCKET) if name not in also]:
        say(f"Kept: {', '.join(kept)}; --also={','.join(kept)} takes that away as well.")
    if not changes and not gone_for_ever:
        say("There is nothing to take away.")
        return
    await agree("Takes all this away.")
    async with held(deployment):
        for change in changes:
            await _take(deployment, change, say)
    # The lock lies in the bucket.
    for change in gone_for_ever:
        await _take(deployment, change, say)


async def _take(deployment: Deployment, change: Change, say: Say) -> None:
    for command in change.commands:
        await deployment.cloud.do(command)
    say(f"  removed   {change.what}")


async def _run(given: argparse.Namespace, also: Sequence[str]) -> None:
    if unknown := set(also) - {DATABASE, BUCKET}:
        raise DeployError(f"--also: {', '.join(sorted(unknown))} is neither {DATABASE} nor {BUCKET}.")
    agree = partial(confirm, given, typed=given.project)
    await destroy(await begin(given.project, given.region, os.environ), also, say, agree)


def main(arguments: Sequence[str]) -> int:
    """Take it away; returns the exit code."""
    terminal.protect()
    parser = argparse.ArgumentParser(
        prog="python -m deploy.destroy", description=(__doc__ or "").partition("\n")[2].strip()
    )
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", default="asia-south1")
    parser.add_argument("--also", default="", help="database, bucket, or both with a comma: these are gone for ever")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    also = [name for name in given.also.split(",") if name]
    return run_to_its_end(_run(given, also), interrupted=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
