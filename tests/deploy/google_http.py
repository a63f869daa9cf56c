"""Google's APIs, as far as gcloud and the Firebase CLI ask them during a deployment: one project, served over HTTP.

It is reached as a proxy. So the programs ask for `http://run.googleapis.com/…` or, as gcloud does for a region,
`http://asia-south1-run.googleapis.com/…`, and the host says which API is meant. What is made is kept in the shapes of
the APIs' own documentation (https://cloud.google.com/apis/docs/overview), with what Google adds by itself. It is strict
about order: an API that is not enabled answers SERVICE_DISABLED, and what does not exist cannot be used.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

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
_METADATA: Final = "computeMetadata/v1/"


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


def _answers(api: str, method: str, path: str) -> Callable[[Handler], Handler]:
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


def _operation(response: Any = None, metadata: Any = None) -> Any:
    return {"name": "operations/done", "done": True, "response": response or {}, "metadata": metadata or {}}


# The project, its APIs and accounts.


@_answers("cloudresourcemanager", "GET", "v1/PROJECT")
def _project(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"projectId": PROJECT, "projectNumber": NUMBER, "lifecycleState": "ACTIVE", "name": PROJECT}


@_answers("serviceusage", "GET", "v1/PROJECT/services")
def _services(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"services": [{"config": {"name": name}, "state": "ENABLED"} for name in sorted(google.enabled)]}


@_answers("serviceusage", "GET", "v1/PROJECT/services/(?P<name>[^/]+)")
def _one_service(google: GoogleApis, _: Asked, found: Any) -> Any:
    return {"name": found["name"], "state": "ENABLED" if found["name"] in google.enabled else "DISABLED"}


@_answers("serviceusage", "POST", "v1/PROJECT/services:batchEnable")
def _enable(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.enabled |= set(asked.body["serviceIds"])
    return _operation()


@_answers("serviceusage", "POST", "v1beta1/PROJECT/services/(?P<name>[^/]+):generateServiceIdentity")
def _identity(google: GoogleApis, _: Asked, found: Any) -> Any:
    service = found["name"].partition(".")[0]
    address = f"service-{NUMBER}@gcp-sa-{service}.iam.gserviceaccount.com"
    google.state["agents"] = sorted({*google.state.get("agents", []), address})
    return _operation({"email": address, "uniqueId": "1"})


@_answers("cloudresourcemanager", "POST", "v1/PROJECT:testIamPermissions")
def _permissions(_: GoogleApis, asked: Asked, __: Any) -> Any:
    return {"permissions": asked.body["permissions"]}


@_answers("cloudresourcemanager", "POST", "v1/PROJECT:getEffectiveOrgPolicy")
def _effective_policy(google: GoogleApis, asked: Asked, _: Any) -> Any:
    constraint = asked.body["constraint"].removeprefix("constraints/")
    values = {"allowedValues": ["C0123"]} if google.shares_in_domain_only else {"allValues": "ALLOW"}
    is_sharing = constraint == "iam.allowedPolicyMemberDomains"
    return {"constraint": asked.body["constraint"], **({"listPolicy": values} if is_sharing else {})}


@_answers("cloudbilling", "GET", "v1/PROJECT/billingInfo")
def _billing(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"projectId": PROJECT, "billingEnabled": True, "billingAccountName": f"billingAccounts/{ACCOUNT}"}


@_answers("billingbudgets", "GET", r"v1\w*/billingAccounts/[\w-]+/budgets")
def _budgets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"budgets": google.listed("billingbudgets")}


@_answers("billingbudgets", "POST", r"v1\w*/billingAccounts/[\w-]+/budgets")
def _new_budget(google: GoogleApis, asked: Asked, _: Any) -> Any:
    given = asked.body.get("budget", asked.body)
    return google.create("billingbudgets/1", {**given, "name": f"billingAccounts/{ACCOUNT}/budgets/1"})


@_answers("artifactregistry", "GET", f"v1/PROJECT/locations/{REGION}/repositories/gcf-artifacts")
def _repository(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("artifactregistry/gcf-artifacts")


@_answers("artifactregistry", "PATCH", f"v1/PROJECT/locations/{REGION}/repositories/gcf-artifacts")
def _change_repository(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("artifactregistry/gcf-artifacts").update(asked.body)
    return google.there("artifactregistry/gcf-artifacts")


@_answers("cloudquotas", "GET", r"v1\w*/PROJECT/locations/global/services/run.googleapis.com/quotaInfos/(?P<name>\w+)")
def _quota(_: GoogleApis, __: Asked, found: Any) -> Any:
    place = {"applicableLocations": [REGION], "details": {"value": "20000"}}
    return {"quotaId": found["name"], "service": "run.googleapis.com", "dimensionsInfos": [place]}


@_answers("iam", "GET", "v1/PROJECT/serviceAccounts")
def _accounts(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"accounts": google.listed("iam/projects/P/serviceAccounts")}


@_answers("iam", "GET", "v1/PROJECT/serviceAccounts/(?P<name>[^/]+)")
def _account(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"iam/projects/P/serviceAccounts/{found['name']}")


@_answers("iam", "POST", "v1/PROJECT/serviceAccounts")
def _new_account(google: GoogleApis, asked: Asked, _: Any) -> Any:
    address = f"{asked.body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    account = {
        "name": f"projects/{PROJECT}/serviceAccounts/{address}",
        "email": address,
        **asked.body["serviceAccount"],
    }
    return google.create(f"iam/projects/P/serviceAccounts/{address}", account)


# The project's own roles: https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles


@_answers("iam", "GET", "v1/PROJECT/roles")
def _roles(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """In the basic view, which leaves out the permissions."""
    shows_deleted = asked.query.get("showDeleted", "").lower() == "true"
    roles = [role for role in google.listed("iam/projects/P/roles") if shows_deleted or not role.get("deleted")]
    return {"roles": [{name: role[name] for name in role if name != "includedPermissions"} for role in roles]}


@_answers("iam", "GET", "v1/PROJECT/roles/(?P<name>[^/:]+)")
def _role(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"iam/projects/P/roles/{found['name']}")


@_answers("iam", "POST", "v1/PROJECT/roles")
def _new_role(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.body["roleId"]
    role = {**asked.body["role"], "name": f"projects/{PROJECT}/roles/{name}", "etag": "BwX="}
    return google.create(f"iam/projects/P/roles/{name}", role)


@_answers("iam", "PATCH", "v1/PROJECT/roles/(?P<name>[^/:]+)")
def _change_role(google: GoogleApis, asked: Asked, found: Any) -> Any:
    role = google.there(f"iam/projects/P/roles/{found['name']}")
    if role.get("deleted"):
        raise Refusal(400, "FAILED_PRECONDITION", f"The role {role['name']} is deleted.")
    role.update({name: asked.body[name] for name in asked.query["updateMask"].split(",")})
    return role


@_answers("iam", "POST", "v1/PROJECT/roles/(?P<name>[^/:]+):undelete")
def _undelete_role(google: GoogleApis, _: Asked, found: Any) -> Any:
    role = google.there(f"iam/projects/P/roles/{found['name']}")
    if not role.pop("deleted", False):
        raise Refusal(400, "FAILED_PRECONDITION", f"The role {role['name']} is not deleted.")
    return role


# Firestore.

_DATABASE: Final = f"projects/{PROJECT}/databases/(default)"


@_answers("firestore", "GET", "v1/PROJECT/databases")
def _databases(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"databases": google.listed("firestore/databases")}


@_answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)")
def _database(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("firestore/databases/(default)")


@_answers("firestore", "POST", "v1/PROJECT/databases")
def _new_database(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return _operation(google.create("firestore/databases/(default)", {**asked.body, "name": _DATABASE}))


@_answers("firestore", "PATCH", r"v1/PROJECT/databases/\(default\)")
def _change_database(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("firestore/databases/(default)").update(asked.body)
    return _operation(google.there("firestore/databases/(default)"))


@_answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/backupSchedules")
def _backups(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.there("firestore/databases/(default)")
    return {"backupSchedules": google.listed("firestore/backupSchedules")}


@_answers("firestore", "POST", r"v1/PROJECT/databases/\(default\)/backupSchedules")
def _new_backup(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return google.create("firestore/backupSchedules/1", {**asked.body, "name": f"{_DATABASE}/backupSchedules/1"})


@_answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/collectionGroups/-/indexes")
def _indexes(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.there("firestore/databases/(default)")
    return {"indexes": google.listed("firestore/indexes")}


@_answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/collectionGroups/-/fields")
def _fields(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("firestore/databases/(default)")
    fields = google.listed("firestore/fields")
    only_ttl = "ttlConfig" in asked.query.get("filter", "") and "indexConfig" not in asked.query.get("filter", "")
    return {"fields": [field for field in fields if "ttlConfig" in field or not only_ttl]}


@_answers("firestore", "POST", r"v1/PROJECT/databases/\(default\)/collectionGroups/(?P<group>[^/]+)/indexes")
def _new_index(google: GoogleApis, asked: Asked, found: Any) -> Any:
    number = str(len(google.listed("firestore/indexes")) + 1)
    fields = asked.body["fields"]
    last = fields[-1].get("order", "ASCENDING")
    named = fields if fields[-1]["fieldPath"] == "__name__" else [*fields, {"fieldPath": "__name__", "order": last}]
    name = f"{_DATABASE}/collectionGroups/{found['group']}/indexes/{number}"
    index = {"name": name, "queryScope": asked.body["queryScope"], "fields": named, "state": "READY"}
    google.create(f"firestore/indexes/{number}", index)
    return _operation(index)


@_answers(
    "firestore", "PATCH", r"v1/PROJECT/databases/\(default\)/collectionGroups/(?P<group>\w+)/fields/(?P<field>[^/]+)"
)
def _change_field(google: GoogleApis, asked: Asked, found: Any) -> Any:
    key = f"firestore/fields/{found['group']}.{found['field']}"
    name = f"{_DATABASE}/collectionGroups/{found['group']}/fields/{found['field']}"
    field = google.state.setdefault(key, {"name": name, "indexConfig": {}})
    if "indexConfig" in asked.body:
        # The API names the field of each of its indexes.
        indexes = [
            {**index, "fields": [{**part, "fieldPath": found["field"]} for part in index["fields"]]}
            for index in asked.body["indexConfig"].get("indexes", [])
        ]
        field["indexConfig"] = {"indexes": indexes} if indexes else {}
    if "ttlConfig" in asked.body:
        field["ttlConfig"] = {"state": "ACTIVE"}
    return _operation(field)


# Cloud Storage.


def _bucket(name: str) -> Any:
    return {"kind": "storage#bucket", "id": name, "name": name, "location": REGION.upper(), "storageClass": "STANDARD"}


@_answers("firebase", "GET", "v1beta1/PROJECT")
def _firebase_project(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("firebase/project")


@_answers("firebase", "POST", "v1beta1/PROJECT:addFirebase")
def _add_firebase(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.create("firebase/project", {"projectId": PROJECT, "state": "ACTIVE"})
    return {"name": "operations/workflows/1"}


@_answers("firebase", "GET", "v1beta1/operations/workflows/1")
def _firebase_operation(google: GoogleApis, _: Asked, __: Any) -> Any:
    return _operation(google.there("firebase/project"))


@_answers("firebasestorage", "POST", "v1alpha/PROJECT/defaultBucket")
def _default_bucket(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """It is linked anew where it exists."""
    google.there("firebase/project")
    name = f"{PROJECT}.firebasestorage.app"
    google.state.setdefault(f"storage/b/{name}", _bucket(name))
    return {"name": f"projects/{PROJECT}/defaultBucket", "location": asked.body["location"]}


@_answers("storage", "GET", "storage/v1/b")
def _buckets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"kind": "storage#buckets", "items": google.listed("storage/b")}


@_answers("storage", "GET", "storage/v1/b/(?P<name>[^/]+)")
def _one_bucket(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"storage/b/{found['name']}")


@_answers("storage", "POST", "storage/v1/b")
def _new_bucket(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return google.create(f"storage/b/{asked.body['name']}", {**_bucket(asked.body["name"]), **_as_kept(asked.body)})


@_answers("storage", "PATCH", "storage/v1/b/(?P<name>[^/]+)")
def _change_bucket(google: GoogleApis, asked: Asked, found: Any) -> Any:
    bucket = google.there(f"storage/b/{found['name']}")
    bucket.update(_as_kept(asked.body))
    return bucket


@_answers("storage", "GET", "storage/v1/PROJECT/hmacKeys")
def _hmac_keys(google: GoogleApis, asked: Asked, _: Any) -> Any:
    account = asked.query["serviceAccountEmail"]
    if f"iam/projects/P/serviceAccounts/{account}" not in google.state:
        raise Refusal(404, "NOT_FOUND", f"Service Account '{account}' not found.")
    return {"kind": "storage#hmacKeysMetadata", "items": google.listed("storage/hmacKeys")}


@_answers("storage", "POST", "storage/v1/PROJECT/hmacKeys")
def _new_hmac_key(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """The secret is in this answer alone."""
    access_id = f"GOOG1E{len(google.listed('storage/hmacKeys')) + 1:055}"
    metadata = {
        "kind": "storage#hmacKeyMetadata",
        "accessId": access_id,
        "serviceAccountEmail": asked.query["serviceAccountEmail"],
        "state": "ACTIVE",
    }
    google.create(f"storage/hmacKeys/{access_id}", metadata)
    return {"kind": "storage#hmacKey", "metadata": metadata, "secret": "bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ"}


@_answers("storage", "PUT", "storage/v1/PROJECT/hmacKeys/(?P<name>[^/]+)")
def _change_hmac_key(google: GoogleApis, asked: Asked, found: Any) -> Any:
    key = google.there(f"storage/hmacKeys/{found['name']}")
    key["state"] = asked.body["state"]
    return key


@_answers("storage", "DELETE", "storage/v1/PROJECT/hmacKeys/(?P<name>[^/]+)")
def _delete_hmac_key(google: GoogleApis, _: Asked, found: Any) -> Any:
    if google.there(f"storage/hmacKeys/{found['name']}")["state"] == "ACTIVE":
        raise Refusal(400, "INVALID_ARGUMENT", "Cannot delete keys in ACTIVE state.")
    return google.state.pop(f"storage/hmacKeys/{found['name']}") and None


def _as_kept(body: Any) -> Any:
    """The API writes whole numbers of 64 bits as texts."""
    kept = dict(body)
    if "softDeletePolicy" in kept:
        kept["softDeletePolicy"] = {
            "retentionDurationSeconds": str(kept["softDeletePolicy"]["retentionDurationSeconds"])
        }
    return kept


# Secrets.


@_answers("secretmanager", "GET", "v1/PROJECT/secrets")
def _secrets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"secrets": google.listed("secretmanager/projects/P/secrets")}


@_answers("secretmanager", "POST", "v1/PROJECT/secrets")
def _new_secret(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.query["secretId"]
    google.secrets.setdefault(name, [])
    secret = {**asked.body, "name": f"projects/{NUMBER}/secrets/{name}"}
    return google.create(f"secretmanager/projects/P/secrets/{name}", secret)


@_answers("secretmanager", "GET", "v1/PROJECT/secrets/(?P<name>[^/]+)/versions")
def _versions(google: GoogleApis, _: Asked, found: Any) -> Any:
    google.there(f"secretmanager/projects/P/secrets/{found['name']}")
    numbers = range(len(google.secrets[found["name"]]), 0, -1)
    return {"versions": [_version(found["name"], number) for number in numbers]}


@_answers("secretmanager", "POST", "v1/PROJECT/secrets/(?P<name>[^/:]+):addVersion")
def _add_version(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"secretmanager/projects/P/secrets/{found['name']}")
    google.secrets[found["name"]].append(asked.body["payload"]["data"])
    version = _version(found["name"], len(google.secrets[found["name"]]))
    return {**version, "clientSpecifiedPayloadChecksum": "dataCrc32c" in asked.body["payload"]}


@_answers("secretmanager", "GET", r"v1/PROJECT/secrets/(?P<name>[^/]+)/versions/(?P<version>\d+):access")
def _access(google: GoogleApis, _: Asked, found: Any) -> Any:
    data = google.secrets[found["name"]][int(found["version"]) - 1]
    return {"name": f"projects/{NUMBER}/secrets/{found['name']}/versions/{found['version']}", "payload": {"data": data}}


def _version(secret: str, number: int) -> Any:
    return {"name": f"projects/{NUMBER}/secrets/{secret}/versions/{number}", "state": "ENABLED"}


# Pub/Sub, Eventarc.


@_answers("pubsub", "GET", "v1/PROJECT/(?P<kind>topics|subscriptions)/(?P<name>[^/]+)")
def _pubsub(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"pubsub/projects/P/{found['kind']}/{found['name']}")


@_answers("pubsub", "PATCH", "v1/PROJECT/subscriptions/(?P<name>[^/]+)")
def _change_subscription(google: GoogleApis, asked: Asked, found: Any) -> Any:
    subscription = google.there(f"pubsub/projects/P/subscriptions/{found['name']}")
    given = asked.body["subscription"]
    letters = given.get("deadLetterPolicy")
    if letters:
        google.there(f"pubsub/projects/P/topics/{letters['deadLetterTopic'].rpartition('/')[2]}")
    subscription.update({name: value for name, value in given.items() if name != "name"})
    return subscription


@_answers("eventarc", "GET", "v1/PROJECT/locations/(?P<place>[^/]+)/triggers/(?P<name>[^/]+)")
def _trigger(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"eventarc/{found['place']}/{found['name']}")


# Cloud Functions and Cloud Run.

_FUNCTION: Final = f"v2/PROJECT/locations/{REGION}/functions"


@_answers("cloudfunctions", "GET", _FUNCTION)
def _functions(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"functions": google.listed("cloudfunctions/functions")}


@_answers("cloudfunctions", "GET", _FUNCTION + "/(?P<name>[^/:]+)")
def _function(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"cloudfunctions/functions/{found['name']}")


@_answers("cloudfunctions", "GET", f"v2/PROJECT/locations/{REGION}/runtimes")
def _runtimes(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"runtimes": [{"name": "python312", "environment": "GEN_2", "stage": "GA"}]}


@_answers("cloudfunctions", "POST", _FUNCTION + ":generateUploadUrl")
def _upload_url(_: GoogleApis, __: Asked, ___: Any) -> Any:
    source = {"bucket": f"gcf-v2-uploads-{NUMBER}.{REGION}.cloudfunctions.appspot.com", "object": "1.zip"}
    return {"uploadUrl": "http://uploads.googleapis.com/1.zip", "storageSource": source}


@_answers("uploads", "PUT", "1.zip")
def _upload(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {}


@_answers("cloudfunctions", "GET", f"v2/PROJECT/locations/{REGION}/operations/(?P<name>[^/]+)")
def _functions_operation(google: GoogleApis, _: Asked, found: Any) -> Any:
    return {
        "name": f"projects/{PROJECT}/locations/{REGION}/operations/{found['name']}",
        "done": True,
        "metadata": _STAGES,
    }


_STAGES: Final = {
    "@type": "type.googleapis.com/google.cloud.functions.v2.OperationMetadata",
    "operationType": "CREATE_FUNCTION",
    "stages": [{"name": name, "state": "COMPLETE"} for name in ("BUILD", "SERVICE")],
}


@_answers("cloudfunctions", "POST", _FUNCTION)
def _new_function(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.query["functionId"]
    google.create(f"cloudfunctions/functions/{name}", {})
    return _deployed(google, name, asked.body)


@_answers("cloudfunctions", "PATCH", _FUNCTION + "/(?P<name>[^/]+)")
def _change_function(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"cloudfunctions/functions/{found['name']}")
    return _deployed(google, found["name"], asked.body)


def _deployed(google: GoogleApis, name: str, body: Any) -> Any:
    config = body["serviceConfig"]
    google.there(f"iam/projects/P/serviceAccounts/{config['serviceAccountEmail']}")
    for given in config.get("secretEnvironmentVariables", []):
        google.there(f"secretmanager/projects/P/secrets/{given['secret']}")
    service = name.lower()
    google.state[f"run/namespaces/{PROJECT}/services/{service}"] = _run_service(service)
    kept = {
        **config,
        "service": f"projects/{PROJECT}/locations/{REGION}/services/{service}",
        "uri": f"https://{service}-abc-el.a.run.app",
        "environmentVariables": {"LOG_EXECUTION_ID": "true", **config.get("environmentVariables", {})},
        "revision": f"{service}-00001-abc",
    }
    function = {**body, "serviceConfig": kept, "state": "ACTIVE", "environment": "GEN_2"}
    if "eventTrigger" in body:
        function["eventTrigger"] = _triggered(google, service, body["eventTrigger"])
    google.state[f"cloudfunctions/functions/{name}"] = function
    repository = {"name": f"projects/{PROJECT}/locations/{REGION}/repositories/gcf-artifacts", "format": "DOCKER"}
    google.state.setdefault("artifactregistry/gcf-artifacts", repository)
    return {"name": f"projects/{PROJECT}/locations/{REGION}/operations/{service}", "done": False, "metadata": _STAGES}


def _triggered(google: GoogleApis, service: str, trigger: Any) -> Any:
    place = trigger.get("triggerRegion", REGION)
    if "pubsubTopic" in trigger:
        google.there(f"pubsub/projects/P/topics/{trigger['pubsubTopic'].rpartition('/')[2]}")
    elif place != google.there("firestore/databases/(default)")["locationId"]:
        raise Refusal(400, "INVALID_ARGUMENT", "the trigger is not where the database is")
    name = f"{service}-000001"
    subscription = f"eventarc-{place}-{name}-sub"
    full = f"projects/{PROJECT}/subscriptions/{subscription}"
    google.state.setdefault(
        f"pubsub/projects/P/subscriptions/{subscription}", {"name": full, "ackDeadlineSeconds": 600}
    )
    google.state[f"eventarc/{place}/{name}"] = {
        "name": f"projects/{PROJECT}/locations/{place}/triggers/{name}",
        "transport": {"pubsub": {"subscription": full}},
    }
    return {**trigger, "trigger": f"projects/{PROJECT}/locations/{place}/triggers/{name}", "triggerRegion": place}


def _run_service(name: str) -> Any:
    traffic = [{"latestRevision": True, "percent": 100}]
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": NUMBER,
            "annotations": {"run.googleapis.com/ingress": "all"},
            "labels": {"cloud.googleapis.com/location": REGION, "goog-managed-by": "cloudfunctions"},
        },
        "spec": {"template": {"metadata": {}, "spec": {"containers": [{"image": "image"}]}}, "traffic": traffic},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "traffic": traffic,
            "latestReadyRevisionName": name,
        },
    }


@_answers("run", "GET", "apis/serving.knative.dev/v1/namespaces/[^/]+/services")
def _run_services(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"kind": "ServiceList", "items": google.listed(f"run/namespaces/{PROJECT}/services")}


@_answers("run", "GET", "apis/serving.knative.dev/v1/namespaces/[^/]+/services/(?P<name>[^/]+)")
def _one_run_service(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"run/namespaces/{PROJECT}/services/{found['name']}")


@_answers("run", "PUT", "apis/serving.knative.dev/v1/namespaces/[^/]+/services/(?P<name>[^/]+)")
def _change_run_service(google: GoogleApis, asked: Asked, found: Any) -> Any:
    service = google.there(f"run/namespaces/{PROJECT}/services/{found['name']}")
    service["metadata"]["annotations"] = asked.body["metadata"]["annotations"]
    return service


# Logging and Monitoring.


@_answers("logging", "GET", "v2/PROJECT/metrics")
def _metrics(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"metrics": google.listed("logging/metrics")}


@_answers("logging", "GET", "v2/PROJECT/metrics/(?P<name>[^/]+)")
def _metric(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"logging/metrics/{found['name']}")


@_answers("logging", "POST", "v2/PROJECT/metrics")
def _new_metric(google: GoogleApis, asked: Asked, _: Any) -> Any:
    metric = {**asked.body, "version": "V2", "createTime": "2026-01-01T00:00:00Z"}
    return google.create(f"logging/metrics/{asked.body['name']}", metric)


@_answers("logging", "PUT", "v2/PROJECT/metrics/(?P<name>[^/]+)")
def _change_metric(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"logging/metrics/{found['name']}").update(asked.body)
    return google.there(f"logging/metrics/{found['name']}")


@_answers("monitoring", "GET", "v1/PROJECT/dashboards")
def _dashboards(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"dashboards": google.listed("monitoring/dashboards")}


@_answers("monitoring", "POST", "v1/PROJECT/dashboards")
def _new_dashboard(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """The API leaves out what is zero, and adds an etag."""
    name = f"projects/{NUMBER}/dashboards/1"
    return google.create("monitoring/dashboards/1", {**asked.body, "name": name, "etag": "1"})


@_answers("monitoring", "GET", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)")
def _monitored(google: GoogleApis, _: Asked, found: Any) -> Any:
    return {found["kind"]: google.listed(f"monitoring/{found['kind']}")}


@_answers("monitoring", "GET", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)/(?P<name>[^/]+)")
def _one_monitored(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"monitoring/{found['kind']}/{found['name']}")


@_answers("monitoring", "POST", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)")
def _new_monitored(google: GoogleApis, asked: Asked, found: Any) -> Any:
    number = str(len(google.listed(f"monitoring/{found['kind']}")) + 1)
    thing = {"enabled": True, **asked.body, "name": f"projects/{PROJECT}/{found['kind']}/{number}"}
    for condition in thing.get("conditions", []):
        condition["name"] = f"{thing['name']}/conditions/1"
    return google.create(f"monitoring/{found['kind']}/{number}", thing)


@_answers("monitoring", "PATCH", "v3/PROJECT/alertPolicies/(?P<name>[^/]+)")
def _change_policy(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"monitoring/alertPolicies/{found['name']}").update(asked.body)
    return google.there(f"monitoring/alertPolicies/{found['name']}")


@_answers("metadata", "GET", ".*")
def _credentials(_: GoogleApis, __: Asked, ___: Any) -> Any:
    """What Google's metadata server says of a machine's account."""
    return {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}


# The rules, as the Firebase CLI releases them.


@_answers("firebaserules", "POST", "v1/PROJECT:test")
def _test_rules(_: GoogleApis, asked: Asked, __: Any) -> Any:
    _refuse_without_quota_project(asked)
    return {"issues": []}


@_answers("firebaserules", "GET", "v1/PROJECT/releases")
def _releases(google: GoogleApis, asked: Asked, _: Any) -> Any:
    _refuse_without_quota_project(asked)
    return {"releases": [thing for name, thing in google.state.items() if name.startswith("rules/releases/")]}


@_answers("firebaserules", "GET", "v1/PROJECT/rulesets/(?P<name>[^/]+)")
def _ruleset(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"rules/rulesets/{found['name']}")


@_answers("firebaserules", "POST", "v1/PROJECT/rulesets")
def _new_ruleset(google: GoogleApis, asked: Asked, _: Any) -> Any:
    number = str(len(google.listed("rules/rulesets")) + 1)
    ruleset = {**asked.body, "name": f"projects/{PROJECT}/rulesets/{number}"}
    return google.create(f"rules/rulesets/{number}", ruleset)


@_answers("firebaserules", "PATCH", "v1/PROJECT/releases/(?P<name>.+)")
def _change_release(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"rules/releases/{found['name']}").update(asked.body["release"])
    return google.there(f"rules/releases/{found['name']}")


@_answers("firebaserules", "POST", "v1/PROJECT/releases")
def _new_release(google: GoogleApis, asked: Asked, _: Any) -> Any:
    release = {**asked.body, "createTime": "2026-01-01T00:00:00Z"}
    return google.create(f"rules/releases/{asked.body['name'].partition('/releases/')[2]}", release)


# The dashboard's pages, as the Firebase CLI uploads and releases them.


@_answers("firebasehosting", "GET", f"v1beta1/projects/[^/]+/sites/{SITE}")
def _site(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"name": f"projects/{PROJECT}/sites/{SITE}", "type": "USER_SITE"}


@_answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/versions")
def _new_version(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"name": f"projects/{PROJECT}/sites/{SITE}/versions/v1", "status": "CREATED"}


@_answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/versions/v1:populateFiles")
def _files(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.state["hosting/version"] = {"files": asked.body["files"]}
    return {"uploadRequiredHashes": [], "uploadUrl": "http://firebasehosting.googleapis.com/upload"}


@_answers("firebasehosting", "PATCH", f"v1beta1/projects/[^/]+/sites/{SITE}/versions/v1")
def _finalize(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("hosting/version")["config"] = asked.body["config"]
    return {"name": f"projects/{PROJECT}/sites/{SITE}/versions/v1", "status": "FINALIZED"}


@_answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/channels/live/releases")
def _release_pages(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.state["hosting/released"] = google.there("hosting/version")
    return {"name": f"projects/{PROJECT}/sites/{SITE}/releases/1"}


def _refuse_without_quota_project(asked: Asked) -> None:
    """As Google answers a user's application-default credentials."""
    if asked.headers.get("x-goog-user-project") != PROJECT:
        raise Refusal(
            403,
            "PERMISSION_DENIED",
            "Your application is authenticating by using local Application Default Credentials. The "
            "firebaserules.googleapis.com API requires a quota project, which is not set by default.",
        )


@contextmanager
def serving(google: GoogleApis) -> Iterator[str]:
    """Serve it on this computer; yields HOST:PORT."""

    class Requests(BaseHTTPRequestHandler):
        """Reads a request, and writes what the project answers."""

        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            path = unquote(parts.path).strip("/")
            host = self.headers.get("host", "").partition(":")[0]
            api = host.removesuffix(".googleapis.com").removeprefix(f"{REGION}-")
            if path.startswith(_METADATA):
                api, path = "metadata", path.removeprefix(_METADATA)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            is_json = body[:1] in {b"{", b"["}
            asked = Asked(
                method=self.command,
                api=api,
                path=path,
                query=query,
                body=json.loads(body) if is_json else body,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            status, answer = 200, None
            try:
                answer = google.answer(asked)
            except Refusal as refused:
                error = {"code": refused.status, "message": refused.message, "status": refused.code}
                status, answer = refused.status, {"error": error}
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("metadata-flavor", "Google")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def do_CONNECT(self) -> None:
            """The Firebase CLI wants a tunnel: what comes next on the connection are requests like any other."""
            self.send_response(200)
            self.end_headers()
            self.close_connection = False

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
