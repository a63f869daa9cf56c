"""The project: what there is in it, and how a request finds what answers it."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.troubles import SHARING

PROJECT: Final = "night-shift-test"
NUMBER: Final = "123456789"
ACCOUNT: Final = "0A0A0A-1B1B1B-2C2C2C"
REGION: Final = "asia-south1"
# Of Firebase Hosting: the dashboard's.
SITE: Final = "night-desk"
_PROJECT: Final = rf"projects/(?:{PROJECT}|{NUMBER}|-)"
# These answer before they are enabled.
_ALWAYS: Final = {
    "cloudresourcemanager",
    "serviceusage",
    "storage",
    "iam",
    "cloudbilling",
    "cloudquotas",
    "uploads",
    "metadata",
}


@dataclass(frozen=True)
class Refusal(Exception):
    """What an API answers instead."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Fault:
    """Refuses the next request whose method and path match."""

    request: str
    refusal: Refusal


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    api: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def changes_something(self) -> bool:
        """Whether it is more than a look."""
        looks = ("getIamPolicy", "getEffectiveOrgPolicy", "testIamPermissions", ":access", ":test", "generateUploadUrl")
        return self.method not in {"GET", "HEAD"} and not self.path.endswith(looks)


Handler = Callable[["GoogleApis", Asked, "re.Match[str]"], Any]
_HANDLERS: Final[list[tuple[str, str, "re.Pattern[str]", Handler]]] = []


def answers(api: str, method: str, path: str) -> Callable[[Handler], Handler]:
    """Let the decorated function answer such requests."""
    pattern = re.compile(path.replace("PROJECT", _PROJECT))

    def keep(handler: Handler) -> Handler:
        _HANDLERS.append((api, method, pattern, handler))
        return handler

    return keep


class GoogleApis:
    """The project. `state` is JSON: by its path, each thing that there is."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.enabled: set[str] = set()
        self.policies: dict[str, Any] = {}
        self.secrets: dict[str, list[str]] = {}
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        # The organisation lets nothing be granted to all users.
        self.shares_in_domain_only = False
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Any:
        """Answer one request. Raises Refusal."""
        with self._lock:
            self.asked.append(asked)
            for fault in self.faults:
                if re.search(fault.request, f"{asked.method} {asked.api}/{asked.path}"):
                    self.faults.remove(fault)
                    raise fault.refusal
            if asked.api not in _ALWAYS and f"{asked.api}.googleapis.com" not in self.enabled:
                raise Refusal(
                    403,
                    "PERMISSION_DENIED",
                    f"{asked.api} API has not been used in project {NUMBER} before or it is disabled. SERVICE_DISABLED",
                )
            if policy := _POLICY.fullmatch(f"{asked.api}/{asked.path}"):
                return self._policy(asked, policy["of"], policy["verb"])
            for api, method, pattern, handler in _HANDLERS:
                if (api, method) == (asked.api, asked.method) and (found := pattern.fullmatch(asked.path)):
                    return handler(self, asked, found)
        raise Refusal(404, "NOT_FOUND", f"no such method: {asked.method} {asked.api}/{asked.path}")

    def listed(self, prefix: str) -> list[Any]:
        """What there is directly below a path."""
        return [thing for name, thing in self.state.items() if re.fullmatch(re.escape(prefix) + r"/[^/]+", name)]

    def there(self, name: str) -> Any:
        """One thing. Raises Refusal."""
        if name not in self.state:
            raise Refusal(404, "NOT_FOUND", f"Resource not found: {name}")
        return self.state[name]

    def create(self, name: str, thing: Any) -> Any:
        """Make a thing. Raises Refusal."""
        if name in self.state:
            raise Refusal(409, "ALREADY_EXISTS", f"Resource already exists: {name}")
        self.state[name] = thing
        return thing

    def _policy(self, asked: Asked, of: str, verb: str) -> Any:
        name = re.sub(_PROJECT, "projects/P", of)
        known = name if name.startswith("cloudresourcemanager") else self._known(name)
        if known is None:
            raise Refusal(403, "PERMISSION_DENIED", f"Permission denied on resource {of} (or it may not exist).")
        policy = self.policies.setdefault(known, {"version": 1, "bindings": []})
        if verb == "get" or (verb == "iam" and asked.method == "GET"):
            return {**policy, "etag": "BwX="}
        given = asked.body["policy"] if verb == "set" else asked.body
        for binding in given.get("bindings", []):
            self._check_role(binding["role"])
            for member in binding["members"]:
                self._check_member(member)
        bindings = sorted(given.get("bindings", []), key=lambda one: json.dumps(one, sort_keys=True))
        self.policies[known] = {"version": given.get("version", 1), "bindings": bindings}
        return {**self.policies[known], "etag": "BwY="}

    def _known(self, name: str) -> str | None:
        path = re.sub(r"/(storage/)?v\d\w*/", "/", name)
        path = path.replace(f"run/projects/P/locations/{REGION}", f"run/namespaces/{PROJECT}")
        return path if path in self.state else None

    def _check_role(self, role: str) -> None:
        of, _, name = role.rpartition("/roles/")
        if of and self.state.get(f"iam/projects/P/roles/{name}", {"deleted": True}).get("deleted"):
            raise Refusal(400, "INVALID_ARGUMENT", f"Role {role} does not exist in the resource's hierarchy.")

    def _check_member(self, member: str) -> None:
        kind, _, address = member.partition(":")
        if member == "allUsers" and self.shares_in_domain_only:
            raise Refusal(400, "FAILED_PRECONDITION", SHARING.seen)
        is_known = f"iam/projects/P/serviceAccounts/{address}" in self.state or address in self.state.get("agents", [])
        if kind == "serviceAccount" and not is_known:
            raise Refusal(400, "INVALID_ARGUMENT", f"Service account {address} does not exist.")


_POLICY: Final = re.compile(r"(?P<of>.*?)(?::|/)(?P<verb>get|set|iam)(?:IamPolicy)?")


def operation(response: Any = None, metadata: Any = None) -> Any:
    """One that has ended."""
    return {"name": "operations/done", "done": True, "response": response or {}, "metadata": metadata or {}}
