"""Firestore: the database, its indexes, its backups."""

from typing import Any, Final

from tests.deploy.google_apis.project import PROJECT, Asked, GoogleApis, answers, operation

_DATABASE: Final = f"projects/{PROJECT}/databases/(default)"


@answers("firestore", "GET", "v1/PROJECT/databases")
def _databases(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"databases": google.listed("firestore/databases")}


@answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)")
def _database(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("firestore/databases/(default)")


@answers("firestore", "POST", "v1/PROJECT/databases")
def _new_database(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return operation(google.create("firestore/databases/(default)", {**asked.body, "name": _DATABASE}))


@answers("firestore", "PATCH", r"v1/PROJECT/databases/\(default\)")
def _change_database(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("firestore/databases/(default)").update(asked.body)
    return operation(google.there("firestore/databases/(default)"))


@answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/backupSchedules")
def _backups(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.there("firestore/databases/(default)")
    return {"backupSchedules": google.listed("firestore/backupSchedules")}


@answers("firestore", "POST", r"v1/PROJECT/databases/\(default\)/backupSchedules")
def _new_backup(google: GoogleApis, asked: Asked, _: Any) -> Any:
    return google.create("firestore/backupSchedules/1", {**asked.body, "name": f"{_DATABASE}/backupSchedules/1"})


@answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/collectionGroups/-/indexes")
def _indexes(google: GoogleApis, _: Asked, __: Any) -> Any:
    google.there("firestore/databases/(default)")
    return {"indexes": google.listed("firestore/indexes")}


@answers("firestore", "GET", r"v1/PROJECT/databases/\(default\)/collectionGroups/-/fields")
def _fields(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("firestore/databases/(default)")
    fields = google.listed("firestore/fields")
    only_ttl = "ttlConfig" in asked.query.get("filter", "") and "indexConfig" not in asked.query.get("filter", "")
    return {"fields": [field for field in fields if "ttlConfig" in field or not only_ttl]}


@answers("firestore", "POST", r"v1/PROJECT/databases/\(default\)/collectionGroups/(?P<group>[^/]+)/indexes")
def _new_index(google: GoogleApis, asked: Asked, found: Any) -> Any:
    number = str(len(google.listed("firestore/indexes")) + 1)
    fields = asked.body["fields"]
    last = fields[-1].get("order", "ASCENDING")
    named = fields if fields[-1]["fieldPath"] == "__name__" else [*fields, {"fieldPath": "__name__", "order": last}]
    name = f"{_DATABASE}/collectionGroups/{found['group']}/indexes/{number}"
    index = {"name": name, "queryScope": asked.body["queryScope"], "fields": named, "state": "READY"}
    google.create(f"firestore/indexes/{number}", index)
    return operation(index)


@answers(
    "firestore", "PATCH", r"v1/PROJECT/databases/\(default\)/collectionGroups/(?P<group>\w+)/fields/(?P<field>[^/]+)"
)
def _change_field(google: GoogleApis, asked: Asked, found: Any) -> Any:
    key = f"firestore/fields/{found['group']}.{found['field']}"
    name = f"{_DATABASE}/collectionGroups/{found['group']}/fields/{found['field']}"
    field = google.state.setdefault(key, {"name": name, "indexConfig": {}})
    if "indexConfig" in asked.body:
        # The API names the field of each of its indexes.
        indexes = [
            {**index, "fields": [{**part, "fieldPath": found["field"]} for part in index["fields"]], "state": "READY"}
            for index in asked.body["indexConfig"].get("indexes", [])
        ]
        field["indexConfig"] = {"indexes": indexes} if indexes else {}
    if "ttlConfig" in asked.body:
        field["ttlConfig"] = {"state": "ACTIVE"}
    return operation(field)
