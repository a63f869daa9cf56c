"""Grants on a resource: those that are declared are made, and those of our own accounts that are not are taken away."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.accounts import ACCOUNTS, member
from deploy.change import Change, Instead, same
from deploy.cloud import Cloud
from deploy.command import ShellCommand

# Which members a deployment may shut out: its own accounts, and the public.
_ANYBODY: Final = ("allUsers", "allAuthenticatedUsers")
# By which a condition of ours is known.
_TITLE: Final = "nightshift"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that has a policy."""

    # As gcloud names its kind: `pubsub topics`.
    kind: tuple[str, ...]
    name: str
    flags: tuple[str, ...] = ()
    # Whether grants on it may have conditions; then gcloud wants to hear which one ours have, or that they have none.
    has_conditions: bool = False
    # Of what does not exist, Google says PERMISSION_DENIED as often as NOT_FOUND. So its policy is not asked for.
    exists: bool = True

    def policy(self) -> tuple[str, ...]:
        """The words that ask for its policy."""
        return (*self.kind, "get-iam-policy", self.name, *self.flags)

    def change(self, verb: str, role: str, who: str, where: str | None = None) -> tuple[str, ...]:
        """The words that make a grant, or take it away."""
        none = ("--condition=None",) if self.has_conditions else ()
        condition = (f"--condition=^|^title={_TITLE}|expression={where}",) if where else none
        return (
            *(*self.kind, f"{verb}-iam-policy-binding", self.name, *self.flags),
            *(f"--member={who}", f"--role={role}", *condition),
        )


@dataclass(frozen=True, kw_only=True)
class RoleGrant:
    """One role for one member."""

    role: str
    member: str
    # A condition in IAM's language, by which the role reaches less than the whole resource.
    where: str | None = None
    # What has to exist before the member can be named.
    first: tuple[ShellCommand, ...] = ()
    # For what Google refuses to grant: what has the same effect.
    instead: Instead | None = None


async def differences(cloud: Cloud, resource: Resource, grants: Sequence[RoleGrant]) -> AsyncIterator[Change]:
    """What is missing on the resource, and what is too much."""
    policy = (await cloud.look(*resource.policy()) or {}) if resource.exists else {}
    live = {
        (binding["role"], who, binding.get("condition", {}).get("expression"))
        for binding in policy.get("bindings", [])
        # A grant with a condition of another title was not made here.
        if binding.get("condition", {}).get("title", _TITLE) == _TITLE
        for who in binding["members"]
    }
    declared = {(grant.role, grant.member, grant.where) for grant in grants}
    kept = [grant for grant in grants if (grant.role, grant.member, grant.where) in live]
    for grant in grants:
        if grant not in kept:
            command = cloud.gcloud(*resource.change("add", grant.role, grant.member, grant.where))
            what = f"{_short(grant.role)} on {resource.name} for {_short(grant.member)}"
            yield Change(action="create", what=what, commands=(*grant.first, command), instead=grant.instead)
    ours = {*(member(cloud, account) for account in ACCOUNTS), *_ANYBODY}
    for role, who, where in sorted(live - declared, key=str):
        if who in ours:
            command = cloud.gcloud(*resource.change("remove", role, who, where))
            what = f"{_short(role)} on {resource.name} for {_short(who)}"
            yield Change(action="remove", what=what, commands=(command,))
    if kept:
        yield same(f"{len(kept)} on {resource.name}")


def _short(name: str) -> str:
    return name.removeprefix("roles/").removeprefix("serviceAccount:").partition("@")[0]
