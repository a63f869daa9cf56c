"""The functions.

Each carries a label with a digest of all that it was deployed from: its sources and its flags. The same digest on an
active function is the same function; so a second run builds nothing. What was changed by hand is compared as well.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.accounts import BUILD, EVENTS, email
from deploy.change import Change, same
from deploy.deployment import Deployment, Service
from deploy.steps import database, image_key
from nightshift.functions import IMAGE_KEY, IMAGE_KEY_VARIABLE, SECRETS, Function

_SOURCES: Final = "functions"
RUNTIME: Final = "python312"
_CPU: Final = "1"
_CREATED: Final = "google.cloud.firestore.document.v1.created"
_LABEL: Final = "nightshift-declared"
# gcloud reads a list of variables with another delimiter than a comma, which stands in some values, as ^:^A=1:B=2.
_DELIMITERS: Final = ("|", "#", ";", "~")


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Deploy those that are not as they are declared."""
    live = await deployment.live_functions()
    services = await deployment.live_services()
    sources = digest_of_sources(deployment.root / _SOURCES)
    location = await database.location(deployment)
    versions = {secret: (await deployment.version(secret))[0] for secret in SECRETS}
    versions[IMAGE_KEY] = await image_key.version(deployment)
    for function in await deployment.functions():
        words = declared(deployment, function, location, versions)
        digest = hashlib.sha256("\0".join([sources, *words]).encode()).hexdigest()[:32]
        command = deployment.cloud.gcloud(*words, f"--update-labels={_LABEL}={digest}")
        found = live.get(function.name)
        if found is None:
            yield Change(action="create", what=function.name, commands=(command,))
        elif reason := _difference(
            deployment,
            _Wanted(function=function, digest=digest, location=location, versions=versions),
            found,
            services.get(function.service),
        ):
            yield Change(action="change", what=f"{function.name}: {reason}", commands=(command,))
        else:
            yield same(function.name)


def declared(deployment: Deployment, function: Function, location: str, versions: Mapping[str, int]) -> tuple[str, ...]:
    """The words by which it is deployed, but for its label."""
    cloud = deployment.cloud
    build = f"projects/{cloud.project}/serviceAccounts/{email(cloud, BUILD)}"
    secrets = [f"{variable}={secret}:{number}" for variable, secret, number in sorted(_secrets(function, versions))]
    return (
        *("functions", "deploy", function.name, "--gen2", f"--region={cloud.region}", f"--runtime={RUNTIME}"),
        *(f"--source={_SOURCES}", f"--entry-point={function.target}"),
        *(f"--memory={function.memory}", f"--cpu={_CPU}", f"--timeout={function.timeout_seconds}s"),
        *(f"--concurrency={function.concurrency}", "--min-instances=0", f"--max-instances={function.max_instances}"),
        *(f"--service-account={email(cloud, function.account)}", f"--build-service-account={build}"),
        # After a rollback by hand, too.
        "--serve-all-traffic-latest-revision",
        f"--set-env-vars={_joined(variables(deployment))}",
        f"--set-secrets={','.join(secrets)}" if secrets else "--clear-secrets",
        *_trigger(deployment, function, location),
    )


def variables(deployment: Deployment) -> dict[str, str]:
    """What the functions find in their environment, but for the secrets."""
    # Cloud Functions would set it to true: functions-framework then takes the log over from ours.
    own = {"GOOGLE_CLOUD_PROJECT": deployment.cloud.project, "LOG_EXECUTION_ID": "false"}
    return {**own, **deployment.variables}


def digest_of_sources(folder: Path) -> str:
    """A digest of every file that is deployed, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _trigger(deployment: Deployment, function: Function, location: str) -> tuple[str, ...]:
    if not function.takes_events:
        # The right to call it is a step of its own: where all users may not be granted anything, this would fail.
        return ("--trigger-http", "--no-allow-unauthenticated", "--ingress-settings=all")
    if function.topic:
        source: tuple[str, ...] = (f"--trigger-topic={function.topic}",)
    else:
        source = (
            f"--trigger-event-filters=type={_CREATED},database=(default)",
            f"--trigger-event-filters-path-pattern=document={function.created_document}",
            f"--trigger-location={location}",
        )
    # --retry: without it, an event that fails is lost. Eventarc's calls count as internal.
    events = f"--trigger-service-account={email(deployment.cloud, EVENTS)}"
    return (*source, events, "--retry", "--no-allow-unauthenticated", "--ingress-settings=internal-only")


def _joined(variables: Mapping[str, str]) -> str:
    pairs = [f"{name}={value}" for name, value in sorted(variables.items())]
    delimiter = next(one for one in _DELIMITERS if not any(one in pair for pair in pairs))
    return f"^{delimiter}^{delimiter.join(pairs)}"


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What one function is to be."""

    function: Function
    digest: str
    location: str
    versions: Mapping[str, int]


def _difference(
    deployment: Deployment, wanted: _Wanted, live: Mapping[str, Any], service: Service | None
) -> str | None:
    """Why the function has to be deployed again, if it has to."""
    if live.get("labels", {}).get(_LABEL) != wanted.digest:
        return "other sources or settings"
    if live.get("state") != "ACTIVE":
        return f"it is {live.get('state')}"
    function, config = wanted.function, live["serviceConfig"]
    found = {
        "memory": config.get("availableMemory") == function.memory,
        "CPU": config.get("availableCpu") == _CPU,
        "timeout": config.get("timeoutSeconds") == function.timeout_seconds,
        "concurrency": config.get("maxInstanceRequestConcurrency", 1) == function.concurrency,
        "instances": config.get("maxInstanceCount") == function.max_instances,
        "service account": config.get("serviceAccountEmail") == email(deployment.cloud, function.account),
        "variables": variables(deployment).items() <= config.get("environmentVariables", {}).items(),
        "secrets": _secrets_of(config) == _secrets(function, wanted.versions),
        "ingress": config.get("ingressSettings") == ("ALLOW_INTERNAL_ONLY" if function.takes_events else "ALLOW_ALL"),
        "trigger": _is_triggered(deployment, wanted, live.get("eventTrigger", {})),
        # After a rollback by hand, an older revision serves.
        "traffic": service is None or service.serves_latest,
    }
    changed = [name for name, is_as_declared in found.items() if not is_as_declared]
    return f"changed by hand: {', '.join(changed)}" if changed else None


def _secrets(function: Function, versions: Mapping[str, int]) -> set[tuple[str, str, str]]:
    """Variable, name and version of each secret that it gets."""
    keys = {secret for secret in function.optional_secrets if versions[secret]}
    secrets = {(SECRETS[secret], secret, str(versions[secret] or 1)) for secret in {*function.secrets, *keys}}
    if function.signs_images and versions[IMAGE_KEY]:
        secrets.add((IMAGE_KEY_VARIABLE, IMAGE_KEY, str(versions[IMAGE_KEY])))
    return secrets


def _secrets_of(config: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["key"], one["secret"], one["version"]) for one in config.get("secretEnvironmentVariables", [])}


def _is_triggered(deployment: Deployment, wanted: _Wanted, trigger: Mapping[str, Any]) -> bool:
    function, cloud = wanted.function, deployment.cloud
    if not function.takes_events:
        return not trigger
    if trigger.get("retryPolicy") != "RETRY_POLICY_RETRY":
        return False
    if trigger.get("serviceAccountEmail") != email(cloud, EVENTS):
        return False
    if function.topic:
        return str(trigger.get("pubsubTopic")).endswith(f"/topics/{function.topic}")
    filters = {one["attribute"]: one["value"] for one in trigger.get("eventFilters", [])}
    declared = {"database": "(default)", "document": function.created_document}
    return (
        trigger.get("eventType") == _CREATED
        and trigger.get("triggerRegion") == wanted.location
        and declared.items() <= filters.items()
    )
