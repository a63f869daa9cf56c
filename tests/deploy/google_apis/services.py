"""Cloud Functions and Cloud Run."""

from typing import Any, Final

from tests.deploy.google_apis.project import NUMBER, PROJECT, REGION, Asked, GoogleApis, Refusal, answers

_FUNCTION: Final = f"v2/PROJECT/locations/{REGION}/functions"


@answers("cloudfunctions", "GET", _FUNCTION)
def _functions(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"functions": google.listed("cloudfunctions/functions")}


@answers("cloudfunctions", "GET", _FUNCTION + "/(?P<name>[^/:]+)")
def _function(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"cloudfunctions/functions/{found['name']}")


@answers("cloudfunctions", "GET", f"v2/PROJECT/locations/{REGION}/runtimes")
def _runtimes(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"runtimes": [{"name": "python312", "environment": "GEN_2", "stage": "GA"}]}


@answers("cloudfunctions", "POST", _FUNCTION + ":generateUploadUrl")
def _upload_url(_: GoogleApis, __: Asked, ___: Any) -> Any:
    source = {"bucket": f"gcf-v2-uploads-{NUMBER}.{REGION}.cloudfunctions.appspot.com", "object": "1.zip"}
    return {"uploadUrl": "http://uploads.googleapis.com/1.zip", "storageSource": source}


@answers("uploads", "PUT", "1.zip")
def _upload(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {}


@answers("cloudfunctions", "GET", f"v2/PROJECT/locations/{REGION}/operations/(?P<name>[^/]+)")
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


@answers("cloudfunctions", "POST", _FUNCTION)
def _new_function(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.query["functionId"]
    google.create(f"cloudfunctions/functions/{name}", {})
    return _deployed(google, name, asked.body)


@answers("cloudfunctions", "PATCH", _FUNCTION + "/(?P<name>[^/]+)")
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


@answers("run", "GET", "apis/serving.knative.dev/v1/namespaces/[^/]+/services")
def _run_services(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"kind": "ServiceList", "items": google.listed(f"run/namespaces/{PROJECT}/services")}


@answers("run", "GET", "apis/serving.knative.dev/v1/namespaces/[^/]+/services/(?P<name>[^/]+)")
def _one_run_service(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"run/namespaces/{PROJECT}/services/{found['name']}")


@answers("run", "PUT", "apis/serving.knative.dev/v1/namespaces/[^/]+/services/(?P<name>[^/]+)")
def _change_run_service(google: GoogleApis, asked: Asked, found: Any) -> Any:
    service = google.there(f"run/namespaces/{PROJECT}/services/{found['name']}")
    service["metadata"]["annotations"] = asked.body["metadata"]["annotations"]
    return service
