"""The rules and the dashboard's pages, as the Firebase CLI uploads and releases them."""

from typing import Any

from tests.deploy.google_apis.project import PROJECT, SITE, Asked, GoogleApis, Refusal, answers


@answers("firebaserules", "POST", "v1/PROJECT:test")
def _test_rules(_: GoogleApis, asked: Asked, __: Any) -> Any:
    _refuse_without_quota_project(asked)
    return {"issues": []}


@answers("firebaserules", "GET", "v1/PROJECT/releases")
def _releases(google: GoogleApis, asked: Asked, _: Any) -> Any:
    _refuse_without_quota_project(asked)
    return {"releases": [thing for name, thing in google.state.items() if name.startswith("rules/releases/")]}


@answers("firebaserules", "GET", "v1/PROJECT/rulesets/(?P<name>[^/]+)")
def _ruleset(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"rules/rulesets/{found['name']}")


@answers("firebaserules", "POST", "v1/PROJECT/rulesets")
def _new_ruleset(google: GoogleApis, asked: Asked, _: Any) -> Any:
    number = str(len(google.listed("rules/rulesets")) + 1)
    ruleset = {**asked.body, "name": f"projects/{PROJECT}/rulesets/{number}"}
    return google.create(f"rules/rulesets/{number}", ruleset)


@answers("firebaserules", "PATCH", "v1/PROJECT/releases/(?P<name>.+)")
def _change_release(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"rules/releases/{found['name']}").update(asked.body["release"])
    return google.there(f"rules/releases/{found['name']}")


@answers("firebaserules", "POST", "v1/PROJECT/releases")
def _new_release(google: GoogleApis, asked: Asked, _: Any) -> Any:
    release = {**asked.body, "createTime": "2026-01-01T00:00:00Z"}
    return google.create(f"rules/releases/{asked.body['name'].partition('/releases/')[2]}", release)


# The dashboard's pages, as the Firebase CLI uploads and releases them.


@answers("firebasehosting", "GET", f"v1beta1/projects/[^/]+/sites/{SITE}")
def _site(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"name": f"projects/{PROJECT}/sites/{SITE}", "type": "USER_SITE"}


@answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/versions")
def _new_version(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"name": f"projects/{PROJECT}/sites/{SITE}/versions/v1", "status": "CREATED"}


@answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/versions/v1:populateFiles")
def _files(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.state["hosting/version"] = {"files": asked.body["files"]}
    return {"uploadRequiredHashes": [], "uploadUrl": "http://firebasehosting.googleapis.com/upload"}


@answers("firebasehosting", "PATCH", f"v1beta1/projects/[^/]+/sites/{SITE}/versions/v1")
def _finalize(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("hosting/version")["config"] = asked.body["config"]
    return {"name": f"projects/{PROJECT}/sites/{SITE}/versions/v1", "status": "FINALIZED"}


@answers("firebasehosting", "POST", f"v1beta1/projects/[^/]+/sites/{SITE}/channels/live/releases")
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
