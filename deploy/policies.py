"""Grants on a resource: those that are declared are made, and those of our own accounts that are not are taken away."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.accounts import ACCOUNTS, member
from deploy.change import Change, same
from deploy.cloud import Cloud
from deploy.command import Command

# Whom a deployment may shut out: its own accounts, and everybody.
_ANYBODY: Final = ("allUsers", "allAuthenticatedUsers")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that has a policy."""

    # As gcloud names its kind: `pubsub topics`.
    kind: tuple[str, ...]
    name: str
    flags: tuple[str, ...] = ()
    # Whether grants on it may have conditions; then gcloud wants to hear that ours have none.
    has_conditions: bool = False

    def policy(self) -> tuple[str, ...]:
        """The words that ask for its policy."""
        return (*self.kind, "get-iam-policy", self.name, *self.flags)

    def change(self, verb: str, role: str, who: str) -> tuple[str, ...]:
        """The words that make a grant, or take it away."""
        condition = ("--condition=None",) if self.has_conditions else ()
        return (
            *(*self.kind, f"{verb}-iam-policy-binding", self.name, *self.flags),
            *(f"--member={who}", f"--role={role}", *condition),
        )


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One role for one member."""

    role: str
    member: str
    # What has to exist before the member can be named.
    first: tuple[Command, ...] = ()


async def differences(cloud: Cloud, resource: Resource, grants: Sequence[Grant]) -> AsyncIterator[Change]:
    """What is missing on the resource, and what is too much."""
    policy = await cloud.look(*resource.policy()) or {}
    live = {
        (binding["role"], who)
        for binding in policy.get("bindings", [])
        # A grant with a condition is somebody else's: we make none.
        if "condition" not in binding
        for who in binding["members"]
    }
    declared = {(grant.role, grant.member) for grant in grants}
    kept = [grant for grant in grants if (grant.role, grant.member) in live]
    for grant in grants:
        if grant not in kept:
            command = cloud.gcloud(*resource.change("add", grant.role, grant.member))
            what = f"{_short(grant.role)} on {resource.name} for {_short(grant.member)}"
            yield Change(action="create", what=what, commands=(*grant.first, command))
    ours = {*(member(cloud, account) for account in ACCOUNTS), *_ANYBODY}
    for role, who in sorted(live - declared):
        if who in ours:
            command = cloud.gcloud(*resource.change("remove", role, who))
            what = f"{_short(role)} on {resource.name} for {_short(who)}"
            yield Change(action="remove", what=what, commands=(command,))
    if kept:
        yield same(f"{len(kept)} on {resource.name}")


def _short(name: str) -> str:
    return name.removeprefix("roles/").removeprefix("serviceAccount:").partition("@")[0]
