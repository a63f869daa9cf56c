"""Secret Manager."""

from typing import Any

from tests.deploy.google_apis.project import NUMBER, Asked, GoogleApis, answers


@answers("secretmanager", "GET", "v1/PROJECT/secrets")
def _secrets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"secrets": google.listed("secretmanager/projects/P/secrets")}


@answers("secretmanager", "POST", "v1/PROJECT/secrets")
def _new_secret(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.query["secretId"]
    google.secrets.setdefault(name, [])
    secret = {**asked.body, "name": f"projects/{NUMBER}/secrets/{name}"}
    return google.create(f"secretmanager/projects/P/secrets/{name}", secret)


@answers("secretmanager", "GET", "v1/PROJECT/secrets/(?P<name>[^/]+)/versions")
def _versions(google: GoogleApis, _: Asked, found: Any) -> Any:
    google.there(f"secretmanager/projects/P/secrets/{found['name']}")
    numbers = range(len(google.secrets[found["name"]]), 0, -1)
    return {"versions": [_version(found["name"], number) for number in numbers]}


@answers("secretmanager", "POST", "v1/PROJECT/secrets/(?P<name>[^/:]+):addVersion")
def _add_version(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"secretmanager/projects/P/secrets/{found['name']}")
    google.secrets[found["name"]].append(asked.body["payload"]["data"])
    version = _version(found["name"], len(google.secrets[found["name"]]))
    return {**version, "clientSpecifiedPayloadChecksum": "dataCrc32c" in asked.body["payload"]}


@answers("secretmanager", "GET", r"v1/PROJECT/secrets/(?P<name>[^/]+)/versions/(?P<version>\d+):access")
def _access(google: GoogleApis, _: Asked, found: Any) -> Any:
    data = google.secrets[found["name"]][int(found["version"]) - 1]
    return {"name": f"projects/{NUMBER}/secrets/{found['name']}/versions/{found['version']}", "payload": {"data": data}}


def _version(secret: str, number: int) -> Any:
    return {"name": f"projects/{NUMBER}/secrets/{secret}/versions/{number}", "state": "ENABLED"}
