"""Cloud Storage, and Firebase's default bucket."""

from typing import Any

from tests.deploy.google_apis.project import PROJECT, REGION, Asked, GoogleApis, Refusal, answers, operation


def _bucket(name: str) -> Any:
    return {"kind": "storage#bucket", "id": name, "name": name, "location": REGION.upper(), "storageClass": "STANDARD"}


@answers("firebase", "GET", "v1beta1/PROJECT")
def _firebase_project(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("firebase/project")


@answers("firebase", "POST", "v1beta1/PROJECT:addFirebase")
def _add_firebase(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.create("firebase/project", {"projectId": PROJECT, "state": "ACTIVE"})
    return {"name": "operations/workflows/1"}


@answers("firebase", "GET", "v1beta1/operations/workflows/1")
def _firebase_operation(google: GoogleApis, _: Asked, __: Any) -> Any:
    return operation(google.there("firebase/project"))


@answers("firebasestorage", "POST", "v1alpha/PROJECT/defaultBucket")
def _default_bucket(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """It is linked anew where it exists."""
    google.there("firebase/project")
    name = f"{PROJECT}.firebasestorage.app"
    google.state.setdefault(f"storage/b/{name}", _bucket(name))
    return {"name": f"projects/{PROJECT}/defaultBucket", "location": asked.body["location"]}


@answers("storage", "GET", "storage/v1/b")
def _buckets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"kind": "storage#buckets", "items": google.listed("storage/b")}


@answers("storage", "GET", "storage/v1/b/(?P<name>[^/]+)")
def _one_bucket(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"storage/b/{found['name']}")


@answers("storage", "POST", "storage/v1/b")
def _new_bucket(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return google.create(f"storage/b/{asked.body['name']}", {**_bucket(asked.body["name"]), **_as_kept(asked.body)})


@answers("storage", "PATCH", "storage/v1/b/(?P<name>[^/]+)")
def _change_bucket(google: GoogleApis, asked: Asked, found: Any) -> Any:
    bucket = google.there(f"storage/b/{found['name']}")
    bucket.update(_as_kept(asked.body))
    return bucket


@answers("storage", "GET", "storage/v1/PROJECT/hmacKeys")
def _hmac_keys(google: GoogleApis, asked: Asked, _: Any) -> Any:
    account = asked.query["serviceAccountEmail"]
    if f"iam/projects/P/serviceAccounts/{account}" not in google.state:
        raise Refusal(404, "NOT_FOUND", f"Service Account '{account}' not found.")
    return {"kind": "storage#hmacKeysMetadata", "items": google.listed("storage/hmacKeys")}


@answers("storage", "POST", "storage/v1/PROJECT/hmacKeys")
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


@answers("storage", "PUT", "storage/v1/PROJECT/hmacKeys/(?P<name>[^/]+)")
def _change_hmac_key(google: GoogleApis, asked: Asked, found: Any) -> Any:
    key = google.there(f"storage/hmacKeys/{found['name']}")
    key["state"] = asked.body["state"]
    return key


@answers("storage", "DELETE", "storage/v1/PROJECT/hmacKeys/(?P<name>[^/]+)")
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
