"""A stand-in for what gcloud, the Firebase CLI and `scheduler/` talk to: one project, in memory.

No emulator of these services exists. It keeps what the commands make, answers in the JSON shapes of gcloud, and is
strict about order: what does not exist, or whose API is not enabled, cannot be used. Whether gcloud knows a command
at all is not its business: `test_gcloud.py` asks gcloud's own parser.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.troubles import KEYS, SHARING

PROJECT = "night-shift-test"
_NUMBER = "123456789"
_LOOKS = {"cat", "version", "list", "describe", "get-iam-policy", "access", "print-access-token", "--plan"}
# By which API a command works; of others it does not matter here.
_APIS = {
    "iam": "iam",
    "firestore": "firestore",
    "secrets": "secretmanager",
    "functions": "cloudfunctions",
    "run": "run",
    "pubsub": "pubsub",
    "scheduler": "cloudscheduler",
    "eventarc": "eventarc",
    "logging": "logging",
    "monitoring": "monitoring",
    "artifacts": "artifactregistry",
}


class Refused(Exception):
    """What the service says instead of doing it."""


def changes_something(arguments: Sequence[str]) -> bool:
    """Whether a command is more than a look."""
    return not _LOOKS & set(arguments)


class Google:
    """The project. `state` is JSON all through, so that it can be kept in a file and compared."""

    def __init__(self, root: Path, state: dict[str, Any] | None = None) -> None:
        self._root = root
        self.state: dict[str, Any] = state or {
            "apis": [],
            "components": ["Google Cloud SDK", "alpha", "beta"],
            "has_billing": True,
            # The deployer may see the billing account's budgets.
            "sees_budgets": True,
            "budgets": {},
            "image_policies": {},
            "milli_cpu": 20_000,
            # Constraint → the effective policy.
            "organisation": {},
            "accounts": [],
            "roles": {},
            "agents": [],
            "databases": [],
            "backups": [],
            "indexes": [],
            "fields": [],
            "buckets": {},
            # Of the private bucket, by their addresses.
            "objects": {},
            "secrets": {},
            "labels": {},
            "disabled_versions": [],
            # Access id → state.
            "hmac_keys": {},
            # The organisation forbids keys of service accounts.
            "forbids_keys": False,
            "topics": [],
            "schedules": [],
            "policies": {},
            "functions": {},
            "services": {},
            "subscriptions": {},
            # The organisation lets nothing be granted to all users.
            "shares_in_domain_only": False,
            "metrics": {},
            "alerts": {},
            "dashboards": {},
            "channels": [],
            "rules": None,
            "app_check": {},
            "has_pages": False,
        }

    def answer(self, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        """Do what a command says; returns its exit code and what it prints, as output and as errors."""
        try:
            return 0, self._do(list(arguments), stdin), ""
        except Refused as refused:
            return 1, "", f"ERROR: {refused}"

    def _do(self, arguments: list[str], stdin: str) -> str:
        if arguments[0] == "npx":
            return self._firebase(arguments)
        if "deploy.app_bucket" in arguments:
            return self._app_bucket()
        if arguments[0] != "gcloud":
            return self._scheduler(arguments)
        words = [word for word in arguments[1:] if not word.startswith("--")]
        flags = dict(word.removeprefix("--").partition("=")[::2] for word in arguments[1:] if word.startswith("--"))
        if words[0] in {"alpha", "beta"}:
            words = words[1:]
        api = _APIS.get(words[0])
        if api and f"{api}.googleapis.com" not in self.state["apis"]:
            raise Refused(f"SERVICE_DISABLED: {api} has not been used in project {PROJECT} before or it is disabled.")
        if "iam-policy" in " ".join(words):
            return self._policy(words, flags)
        if words[:2] == ["services", "enable"]:
            self.state["apis"] = sorted({*self.state["apis"], *words[2:]})
            return ""
        verb: Callable[..., Any] = getattr(self, "_" + "_".join(_verb(words)).replace("-", "_"))
        answer = verb(words[-1], flags, stdin)
        return answer if isinstance(answer, str) else json.dumps(answer)

    def _firebase(self, arguments: list[str]) -> str:
        if "appcheck:services:set" in arguments:
            service, mode = arguments[arguments.index("appcheck:services:set") + 1 :][:2]
            self.state["app_check"][service] = mode
        elif "--only=hosting" in arguments:
            self.state["has_pages"] = True
        elif "--only=firestore:indexes" in arguments:
            if not self.state["databases"]:
                raise Refused("the database (default) does not exist")
            declared = json.loads((self._root / "firestore.indexes.json").read_text())
            self.state["indexes"] = [_live_index(index) for index in declared["indexes"]]
            self.state["fields"] = [_live_field(field) for field in declared["fieldOverrides"]]
        else:
            self.state["rules"] = (self._root / "firestore.rules").read_text()
        return "Deploy complete!"

    def _app_bucket(self) -> str:
        name = f"{PROJECT}.firebasestorage.app"
        self.state["buckets"].setdefault(name, {"name": name})
        return ""

    def _scheduler(self, arguments: list[str]) -> str:
        if "pubsub.googleapis.com" not in self.state["apis"]:
            raise Refused("SERVICE_DISABLED")
        action = "same" if self.state["topics"] else "create"
        if "--plan" in arguments:
            return json.dumps({"step": {"action": action, "kind": "topic", "name": "nightshift-ingest"}}) + "\n"
        self.state["schedules"] = ["answerInstantJobs", "processBatchJobs"]
        self.state["topics"] = [
            "nightshift-bulk",
            "nightshift-dead-letters",
            "nightshift-ingest",
            "nightshift-instant",
            "nightshift-tick",
        ]
        return "Done: 3 created."

    def _policy(self, words: list[str], flags: dict[str, str]) -> str:
        verb = next(number for number, word in enumerate(words) if word.endswith(("iam-policy", "iam-policy-binding")))
        kind, name = " ".join(words[:verb]), words[verb + 1]
        there = {
            "projects": [PROJECT],
            "storage buckets": [f"gs://{bucket}" for bucket in self.state["buckets"]],
            "pubsub topics": self.state["topics"],
            "pubsub subscriptions": self.state["subscriptions"],
            "iam service-accounts": self.state["accounts"],
            "secrets": self.state["secrets"],
            "run services": [function.lower() for function in self.state["functions"]],
        }[kind]
        if name not in there:
            # Of some kinds the API does not say whether they exist.
            hidden = {"iam service-accounts", "run services", "secrets"}
            maybe = f"PERMISSION_DENIED: Permission denied on {name} (or it may not exist)."
            raise Refused(maybe if kind in hidden else f"NOT_FOUND: {kind} {name}")
        policy: list[list[str]] = self.state["policies"].get(f"{kind} {name}", [])
        if words[verb] != "get-iam-policy":
            who = flags["member"].removeprefix("serviceAccount:")
            if who == "allUsers" and self.state["shares_in_domain_only"]:
                raise Refused(SHARING.seen)
            if who not in {*self.state["accounts"], *self.state["agents"], "allUsers"}:
                raise Refused(f"Service account {who} does not exist.")
            ours = flags["role"].removeprefix(f"projects/{PROJECT}/roles/")
            if ours != flags["role"] and words[verb].startswith("add") and ours not in self.state["roles"]:
                raise Refused(f"Role {ours} does not exist.")
            where = flags.get("condition", "None").partition("expression=")[2]
            grant = [flags["role"], flags["member"], *([where] if where else [])]
            added = [grant] if words[verb].startswith("add") else []
            policy = sorted([*(one for one in policy if one != grant), *added])
            self.state["policies"][f"{kind} {name}"] = policy
        return json.dumps({"bindings": [_binding(*grant) for grant in policy]})

    def _auth_list(self, *_: Any) -> Any:
        return [{"account": "ops@example.com", "status": "ACTIVE"}]

    def _version(self, *_: Any) -> Any:
        return dict.fromkeys(self.state["components"], "1")

    def _billing_projects_describe(self, *_: Any) -> Any:
        return {"billingEnabled": self.state["has_billing"], "billingAccountName": "billingAccounts/0A-1B"}

    def _billing_budgets_list(self, *_: Any) -> Any:
        if not self.state["sees_budgets"]:
            raise Refused("PERMISSION_DENIED: The caller does not have permission")
        return list(self.state["budgets"].values())

    def _billing_budgets_create(self, _: str, flags: dict[str, str], __: str) -> None:
        assert flags["billing-account"] == "0A-1B"
        assert flags["filter-projects"] == f"projects/{PROJECT}"
        name = "billingAccounts/0A-1B/budgets/1"
        self._new("budgets", name, {"name": name, "displayName": flags["display-name"]})
        self._billing_budgets_update(name, flags, "")

    def _billing_budgets_update(self, name: str, flags: dict[str, str], _: str) -> None:
        amount = {"currencyCode": "EUR", "units": flags["budget-amount"]}
        self._there("budgets", name)["amount"] = {"specifiedAmount": amount}

    def _artifacts_repositories_describe(self, name: str, *_: Any) -> Any:
        if not self.state["functions"]:
            raise Refused(f"NOT_FOUND: Requested entity was not found: {name}")
        return {"name": name, "cleanupPolicies": self.state["image_policies"]}

    def _artifacts_repositories_set_cleanup_policies(self, _: str, flags: dict[str, str], __: str) -> None:
        assert "no-dry-run" in flags
        given = json.loads((self._root / flags["policy"]).read_text())
        self.state["image_policies"] = {
            policy["name"]: {**policy, "action": policy["action"]["type"].upper()} for policy in given
        }

    def _resource_manager_org_policies_describe(self, constraint: str, *_: Any) -> Any:
        return self.state["organisation"].get(constraint, {})

    def _quotas_info_describe(self, *_: Any) -> Any:
        place = {"applicableLocations": ["asia-south1"], "details": {"value": str(self.state["milli_cpu"])}}
        elsewhere = {"applicableLocations": ["us-central1"], "details": {"value": "1000000"}}
        return {"dimensionsInfos": [place, elsewhere]}

    def _projects_describe(self, *_: Any) -> Any:
        return {"projectId": PROJECT, "projectNumber": _NUMBER}

    def _auth_application_default_print_access_token(self, *_: Any) -> str:
        return "token"

    def _services_list(self, *_: Any) -> Any:
        return [{"config": {"name": api}, "state": "ENABLED"} for api in self.state["apis"]]

    def _services_identity_create(self, _: str, flags: dict[str, str], __: str) -> None:
        agent = f"service-{_NUMBER}@gcp-sa-{flags['service'].partition('.')[0]}.iam.gserviceaccount.com"
        self.state["agents"] = sorted({*self.state["agents"], agent})

    def _iam_roles_list(self, *_: Any) -> Any:
        return [
            {one: role[one] for one in role if one != "includedPermissions"} for role in self.state["roles"].values()
        ]

    def _iam_roles_describe(self, name: str, *_: Any) -> Any:
        return self._there("roles", name)

    def _iam_roles_create(self, name: str, flags: dict[str, str], _: str) -> None:
        self._new("roles", name, {"name": f"projects/{PROJECT}/roles/{name}"})
        self._iam_roles_update(name, flags, "")

    def _iam_roles_undelete(self, name: str, *_: Any) -> None:
        del self._there("roles", name)["deleted"]

    def _iam_roles_update(self, name: str, flags: dict[str, str], _: str) -> None:
        role = self._there("roles", name)
        if role.get("deleted"):
            raise Refused("FAILED_PRECONDITION: the role is deleted")
        role.update(title=flags["title"], includedPermissions=flags["permissions"].split(","))

    def _iam_service_accounts_list(self, *_: Any) -> Any:
        return [{"email": account} for account in self.state["accounts"]]

    def _iam_service_accounts_create(self, name: str, *_: Any) -> None:
        self._new("accounts", f"{name}@{PROJECT}.iam.gserviceaccount.com")

    def _firestore_databases_list(self, *_: Any) -> Any:
        return self.state["databases"]

    def _firestore_databases_create(self, _: str, flags: dict[str, str], __: str) -> None:
        if self.state["databases"]:
            raise Refused("ALREADY_EXISTS")
        name = f"projects/{PROJECT}/databases/(default)"
        database = {"name": name, "locationId": flags["location"], "type": "FIRESTORE_NATIVE"}
        self.state["databases"] = [database]
        self._firestore_databases_update("", flags, "")

    def _firestore_databases_update(self, _: str, flags: dict[str, str], __: str) -> None:
        if "no-delete-protection" in flags:
            self.state["databases"][0]["deleteProtectionState"] = "DELETE_PROTECTION_DISABLED"
        if "delete-protection" in flags:
            self.state["databases"][0]["deleteProtectionState"] = "DELETE_PROTECTION_ENABLED"
        if "enable-pitr" in flags:
            self.state["databases"][0]["pointInTimeRecoveryEnablement"] = "POINT_IN_TIME_RECOVERY_ENABLED"

    def _firestore_backups_schedules_list(self, *_: Any) -> Any:
        if not self.state["databases"]:
            raise Refused("NOT_FOUND: the database")
        return self.state["backups"]

    def _firestore_backups_schedules_create(self, *_: Any) -> None:
        self.state["backups"].append({"dailyRecurrence": {}, "retention": "604800s"})

    def _firestore_indexes_composite_list(self, *_: Any) -> Any:
        return self.state["indexes"]

    def _firestore_indexes_fields_list(self, *_: Any) -> Any:
        return self.state["fields"]

    def _storage_buckets_list(self, *_: Any) -> Any:
        return list(self.state["buckets"].values())

    def _storage_buckets_create(self, url: str, flags: dict[str, str], _: str) -> None:
        self._new("buckets", url.removeprefix("gs://"), {"name": url.removeprefix("gs://")})
        self._storage_buckets_update(url, flags, "")

    def _storage_buckets_update(self, url: str, flags: dict[str, str], _: str) -> None:
        prevented = "enforced" if "public-access-prevention" in flags else "inherited"
        access = {"enabled": "uniform-bucket-level-access" in flags}
        self.state["buckets"][url.removeprefix("gs://")] |= {
            "iamConfiguration": {"uniformBucketLevelAccess": access, "publicAccessPrevention": prevented},
            "softDeletePolicy": {"retentionDurationSeconds": flags["soft-delete-duration"]},
            "lifecycle": json.loads((self._root / flags["lifecycle-file"]).read_text()),
        }

    def _storage_cp(self, url: str, flags: dict[str, str], stdin: str) -> None:
        if flags["if-generation-match"] == "0" and url in self.state["objects"]:
            raise Refused("HTTPError 412: At least one of the pre-conditions you specified did not hold.")
        self.state["objects"][url] = stdin

    def _storage_cat(self, url: str, *_: Any) -> str:
        if url not in self.state["objects"]:
            raise Refused("The following URLs matched no objects or files:\n-" + url)
        return str(self.state["objects"][url])

    def _storage_rm(self, url: str, flags: dict[str, str], _: str) -> None:
        if "recursive" in flags:
            del self.state["buckets"][url.removeprefix("gs://")]
        else:
            self._storage_cat(url)
            del self.state["objects"][url]

    def _scheduler_jobs_list(self, *_: Any) -> Any:
        return [{"name": f"projects/{PROJECT}/locations/l/jobs/{job}"} for job in self.state["schedules"]]

    def _scheduler_jobs_delete(self, name: str, *_: Any) -> None:
        self.state["schedules"].remove(name)

    def _functions_delete(self, name: str, *_: Any) -> None:
        del self.state["functions"][name]
        del self.state["services"][name.lower()]
        self.state["policies"].pop(f"run services {name.lower()}", None)
        for subscription in [one for one in self.state["subscriptions"] if f"-{name.lower()}-" in one]:
            del self.state["subscriptions"][subscription]
            self.state["policies"].pop(f"pubsub subscriptions {subscription}", None)

    def _pubsub_topics_list(self, *_: Any) -> Any:
        return [{"name": f"projects/{PROJECT}/topics/{topic}"} for topic in self.state["topics"]]

    def _pubsub_topics_delete(self, name: str, *_: Any) -> None:
        self.state["topics"].remove(name)
        self.state["policies"].pop(f"pubsub topics {name}", None)

    def _pubsub_subscriptions_list(self, *_: Any) -> Any:
        return [{"name": f"projects/{PROJECT}/subscriptions/{one}"} for one in self.state["subscriptions"]]

    def _secrets_delete(self, name: str, *_: Any) -> None:
        del self.state["secrets"][name]
        self.state["policies"].pop(f"secrets {name}", None)

    def _iam_service_accounts_delete(self, name: str, *_: Any) -> None:
        self.state["accounts"].remove(name)
        self.state["policies"].pop(f"iam service-accounts {name}", None)

    def _logging_metrics_delete(self, name: str, *_: Any) -> None:
        del self.state["metrics"][name]

    def _monitoring_policies_delete(self, name: str, *_: Any) -> None:
        del self.state["alerts"][name]

    def _firestore_databases_delete(self, *_: Any) -> None:
        if self.state["databases"][0]["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED":
            raise Refused("FAILED_PRECONDITION: delete protection is enabled")
        self.state |= {"databases": [], "indexes": [], "fields": [], "backups": []}

    def _storage_hmac_list(self, _: str, flags: dict[str, str], __: str) -> Any:
        if flags["service-account"] not in self.state["accounts"]:
            raise Refused(f"HTTPError 404: Service Account '{flags['service-account']}' not found.")
        return [{"accessId": name, "state": state} for name, state in self.state["hmac_keys"].items()]

    def _storage_hmac_create(self, account: str, flags: dict[str, str], _: str) -> str:
        if account not in self.state["accounts"]:
            raise Refused(f"HTTPError 404: Service Account '{account}' not found.")
        if self.state["forbids_keys"]:
            raise Refused(f"HTTPError 412: {KEYS.seen}")
        assert flags["format"] == 'value[separator=":"](metadata.accessId,secret)'
        name = f"GOOG1EMARKED{len(self.state['hmac_keys']) + 1:049}"
        self.state["hmac_keys"][name] = "ACTIVE"
        return f"{name}:marked+{len(self.state['hmac_keys']):033}\n"

    def _storage_hmac_update(self, name: str, *_: Any) -> None:
        self._there("hmac_keys", name)
        self.state["hmac_keys"][name] = "INACTIVE"

    def _storage_hmac_delete(self, name: str, *_: Any) -> None:
        if self._there("hmac_keys", name) == "ACTIVE":
            raise Refused("HTTPError 400: Cannot delete keys in ACTIVE state.")
        del self.state["hmac_keys"][name]

    def _secrets_list(self, *_: Any) -> Any:
        labels = self.state["labels"]
        return [
            {"name": f"projects/{_NUMBER}/secrets/{secret}", "labels": labels.get(secret, {})}
            for secret in self.state["secrets"]
        ]

    def _secrets_update(self, name: str, flags: dict[str, str], _: str) -> None:
        self._there("secrets", name)
        self.state["labels"][name] = dict([flags["update-labels"].split("=")])

    def _secrets_create(self, name: str, *_: Any) -> None:
        self._new("secrets", name, [])

    def _secrets_versions_list(self, name: str, *_: Any) -> Any:
        values = self._there("secrets", name)
        versions = range(len(values), 0, -1)
        disabled = self.state["disabled_versions"]
        return [
            {
                "name": f"projects/{_NUMBER}/secrets/{name}/versions/{v}",
                "state": "DISABLED" if [name, v] in disabled else "ENABLED",
            }
            for v in versions
        ]

    def _secrets_versions_add(self, name: str, flags: dict[str, str], stdin: str) -> None:
        if flags["data-file"] != "-" or not stdin:
            raise Refused("no payload")
        self._there("secrets", name).append(stdin)

    def _secrets_versions_access(self, version: str, flags: dict[str, str], _: str) -> str:
        return str(self._there("secrets", flags["secret"])[int(version) - 1])

    def _functions_list(self, *_: Any) -> Any:
        return list(self.state["functions"].values())

    def _functions_deploy(self, name: str, flags: dict[str, str], _: str) -> None:
        account = flags["service-account"]
        for needed in (account, flags["build-service-account"].rpartition("/")[2]):
            if needed not in self.state["accounts"]:
                raise Refused(f"Service account {needed} does not exist.")
        for pair in filter(None, flags.get("set-secrets", "").split(",")):
            secret, _, version = pair.partition("=")[2].partition(":")
            grants = self.state["policies"].get(f"secrets {secret}", [])
            readers = [who for role, who, *_ in grants if role == "roles/secretmanager.secretAccessor"]
            if f"serviceAccount:{account}" not in readers:
                raise Refused(f"{account} may not read {secret}")
            if len(self._there("secrets", secret)) < int(version):
                raise Refused(f"NOT_FOUND: {secret} version {version}")
        region = flags["region"]
        delimiter = flags["set-env-vars"][1]
        variables = flags["set-env-vars"].removeprefix(f"^{delimiter}^").split(delimiter)
        function: dict[str, Any] = {
            "name": f"projects/{PROJECT}/locations/{region}/functions/{name}",
            "state": "ACTIVE",
            "labels": dict([flags["update-labels"].split("=")]),
            "serviceConfig": {
                "uri": f"https://{name.lower()}-abc-el.a.run.app",
                "availableMemory": flags["memory"],
                "availableCpu": flags["cpu"],
                "timeoutSeconds": int(flags["timeout"].removesuffix("s")),
                "maxInstanceRequestConcurrency": int(flags["concurrency"]),
                "maxInstanceCount": int(flags["max-instances"]),
                "serviceAccountEmail": account,
                "ingressSettings": "ALLOW_ALL" if flags["ingress-settings"] == "all" else "ALLOW_INTERNAL_ONLY",
                # Cloud Functions adds it where it is not set.
                "environmentVariables": {"LOG_EXECUTION_ID": "true"} | dict(pair.split("=", 1) for pair in variables),
                "secretEnvironmentVariables": _secrets_of(flags.get("set-secrets", "")),
            },
        }
        if "trigger-http" not in flags:
            self._trigger(name, function, flags)
        self.state["functions"][name] = function
        self.state["services"].setdefault(name.lower(), {"annotations": {}, "traffic": []})
        self.state["services"][name.lower()]["traffic"] = [{"latestRevision": True, "percent": 100}]

    def _trigger(self, name: str, function: dict[str, Any], flags: dict[str, str]) -> None:
        location = flags.get("trigger-location", flags["region"])
        topic = flags.get("trigger-topic")
        if topic and topic not in self.state["topics"]:
            raise Refused(f"NOT_FOUND: topic {topic}")
        if not topic and location != self.state["databases"][0]["locationId"]:
            raise Refused("the trigger is not where the database is")
        grants = self.state["policies"][f"projects {PROJECT}"]
        agents = [who for role, who, *_ in grants if role.endswith("serviceAgent")]
        if not any("gcp-sa-eventarc" in agent for agent in agents):
            raise Refused("Permission denied while using the Eventarc Service Agent.")
        trigger = f"{name.lower()}-000001"
        retry = "RETRY_POLICY_RETRY" if "retry" in flags else "RETRY_POLICY_DO_NOT_RETRY"
        full = f"projects/{PROJECT}/locations/{location}/triggers/{trigger}"
        filters = flags.get("trigger-event-filters", "").split(",")
        document = flags.get("trigger-event-filters-path-pattern", "").removeprefix("document=")
        function["eventTrigger"] = {
            "trigger": full,
            "triggerRegion": location,
            "retryPolicy": retry,
            "serviceAccountEmail": flags["trigger-service-account"],
            **(
                {"pubsubTopic": f"projects/{PROJECT}/topics/{topic}"}
                if topic
                else {
                    "eventType": filters[0].removeprefix("type="),
                    "eventFilters": [
                        {"attribute": "database", "value": filters[1].removeprefix("database=")},
                        {"attribute": "document", "value": document, "operator": "match-path-pattern"},
                    ],
                }
            ),
        }
        subscription = f"eventarc-{location}-{trigger}-sub"
        kept = {"name": f"projects/{PROJECT}/subscriptions/{subscription}"}
        self.state["subscriptions"].setdefault(subscription, kept)

    def _run_services_list(self, *_: Any) -> Any:
        return [
            {
                "metadata": {"name": name, "annotations": service["annotations"]},
                "spec": {"traffic": service["traffic"]},
            }
            for name, service in self.state["services"].items()
        ]

    def _run_services_update(self, name: str, flags: dict[str, str], _: str) -> None:
        is_open = "True" if "no-invoker-iam-check" in flags else "False"
        self._there("services", name)["annotations"]["run.googleapis.com/invoker-iam-disabled"] = is_open

    def _eventarc_triggers_describe(self, trigger: str, flags: dict[str, str], _: str) -> Any:
        subscription = f"projects/{PROJECT}/subscriptions/eventarc-{flags['location']}-{trigger}-sub"
        return {"transport": {"pubsub": {"subscription": subscription}}}

    def _pubsub_subscriptions_describe(self, name: str, *_: Any) -> Any:
        return self._there("subscriptions", name)

    def _pubsub_subscriptions_update(self, name: str, flags: dict[str, str], _: str) -> None:
        topic = flags["dead-letter-topic"]
        if topic not in self.state["topics"]:
            raise Refused(f"NOT_FOUND: topic {topic}")
        self._there("subscriptions", name).update(
            deadLetterPolicy={
                "deadLetterTopic": f"projects/{PROJECT}/topics/{topic}",
                "maxDeliveryAttempts": int(flags["max-delivery-attempts"]),
            },
            retryPolicy={"minimumBackoff": flags["min-retry-delay"], "maximumBackoff": flags["max-retry-delay"]},
        )

    def _logging_metrics_list(self, *_: Any) -> Any:
        return list(self.state["metrics"].values())

    def _logging_metrics_create(self, name: str, flags: dict[str, str], _: str) -> None:
        self._new("metrics", name, {})
        self._logging_metrics_update(name, flags, "")

    def _logging_metrics_update(self, name: str, flags: dict[str, str], _: str) -> None:
        content = json.loads((self._root / flags["config-from-file"]).read_text())
        # The API adds what was not said.
        self.state["metrics"][name] = content | {"name": name, "version": "V2", "createTime": "2026-01-01T00:00:00Z"}

    def _monitoring_dashboards_list(self, *_: Any) -> Any:
        return list(self.state["dashboards"].values())

    def _monitoring_dashboards_create(self, _: str, flags: dict[str, str], __: str) -> None:
        board = json.loads((self._root / flags["config-from-file"]).read_text())
        name = f"projects/{_NUMBER}/dashboards/{board['displayName']}"
        self._new("dashboards", name, {**board, "name": name, "etag": "1"})

    def _monitoring_dashboards_delete(self, name: str, *_: Any) -> None:
        del self.state["dashboards"][name]

    def _monitoring_channels_list(self, *_: Any) -> Any:
        return self.state["channels"]

    def _monitoring_channels_create(self, _: str, flags: dict[str, str], __: str) -> None:
        address = flags["channel-labels"].removeprefix("email_address=")
        name = f"projects/{PROJECT}/notificationChannels/{len(self.state['channels']) + 1}"
        self.state["channels"].append({"name": name, "type": "email", "labels": {"email_address": address}})

    def _monitoring_policies_list(self, *_: Any) -> Any:
        return list(self.state["alerts"].values())

    def _monitoring_policies_create(self, _: str, flags: dict[str, str], __: str) -> None:
        name = f"projects/{PROJECT}/alertPolicies/{len(self.state['alerts']) + 1}"
        self._put_alert(name, flags["policy-from-file"], flags["user-labels"], flags.get("notification-channels", ""))

    def _monitoring_policies_update(self, name: str, flags: dict[str, str], _: str) -> None:
        self._there("alerts", name)
        channels = flags.get("set-notification-channels", "")
        self._put_alert(name, flags["policy-from-file"], flags["update-user-labels"], channels)

    def _put_alert(self, name: str, file: str, labels: str, channels: str) -> None:
        named = [channel for channel in channels.split(",") if channel]
        if not set(named) <= {channel["name"] for channel in self.state["channels"]}:
            raise Refused("NOT_FOUND: a notification channel")
        # The API names the policy and its conditions.
        policy = json.loads((self._root / file).read_text()) | {"name": name, "notificationChannels": named}
        policy["userLabels"] = dict(label.split("=") for label in labels.split(","))
        policy["conditions"] = [{**one, "name": f"{name}/conditions/1"} for one in policy["conditions"]]
        self.state["alerts"][name] = policy

    def _new(self, kind: str, name: str, content: Any = None) -> None:
        if name in self.state[kind]:
            raise Refused(f"ALREADY_EXISTS: {name}")
        if isinstance(self.state[kind], list):
            self.state[kind].append(name)
        else:
            self.state[kind][name] = content

    def _there(self, kind: str, name: str) -> Any:
        if name not in self.state[kind]:
            raise Refused(f"NOT_FOUND: {name}")
        return self.state[kind][name]


def _binding(role: str, who: str, where: str | None = None) -> dict[str, Any]:
    condition = {"condition": {"title": "nightshift", "expression": where}} if where else {}
    return {"role": role, "members": [who], **condition}


def _secrets_of(flag: str) -> list[dict[str, str]]:
    found = []
    for pair in filter(None, flag.split(",")):
        variable, _, version = pair.partition("=")
        secret, _, number = version.partition(":")
        found.append({"key": variable, "projectId": _NUMBER, "secret": secret, "version": number})
    return found


def _verb(words: list[str]) -> list[str]:
    verbs = {
        "create",
        "update",
        "deploy",
        "enable",
        "add",
        "delete",
        "undelete",
        "cp",
        "rm",
        "set-cleanup-policies",
    } | _LOOKS
    end = next(number for number, word in enumerate(words) if word in verbs)
    return words[: end + 1]


def _live_index(index: dict[str, Any]) -> dict[str, Any]:
    group = index["collectionGroup"]
    fields = [*index["fields"], {"fieldPath": "__name__", "order": index["fields"][-1].get("order", "ASCENDING")}]
    name = f"projects/{PROJECT}/databases/(default)/collectionGroups/{group}/indexes/CICAgJ"
    return {"name": name, "queryScope": index["queryScope"], "fields": fields, "state": "READY"}


def _live_field(field: dict[str, Any]) -> dict[str, Any]:
    group, path = field["collectionGroup"], field["fieldPath"]
    indexes = [
        {
            "queryScope": index.get("queryScope", "COLLECTION"),
            "fields": [{"fieldPath": path, "order": index["order"]}],
            "state": "READY",
        }
        for index in field["indexes"]
    ]
    live: dict[str, Any] = {
        "name": f"projects/{PROJECT}/databases/(default)/collectionGroups/{group}/fields/{path}",
        "indexConfig": {"indexes": indexes} if indexes else {},
    }
    return live | ({"ttlConfig": {"state": "ACTIVE"}} if field.get("ttl") else {})
