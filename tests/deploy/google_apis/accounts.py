"""The project, its APIs, its accounts and their roles."""

from typing import Any

from tests.deploy.google_apis.project import (
    ACCOUNT,
    NUMBER,
    PROJECT,
    REGION,
    Asked,
    GoogleApis,
    Refusal,
    answers,
    operation,
)


@answers("cloudresourcemanager", "GET", "v1/PROJECT")
def _project(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"projectId": PROJECT, "projectNumber": NUMBER, "lifecycleState": "ACTIVE", "name": PROJECT}


@answers("serviceusage", "GET", "v1/PROJECT/services")
def _services(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"services": [{"config": {"name": name}, "state": "ENABLED"} for name in sorted(google.enabled)]}


@answers("serviceusage", "GET", "v1/PROJECT/services/(?P<name>[^/]+)")
def _one_service(google: GoogleApis, _: Asked, found: Any) -> Any:
    return {"name": found["name"], "state": "ENABLED" if found["name"] in google.enabled else "DISABLED"}


@answers("serviceusage", "POST", "v1/PROJECT/services:batchEnable")
def _enable(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.enabled |= set(asked.body["serviceIds"])
    return operation()


@answers("serviceusage", "POST", "v1beta1/PROJECT/services/(?P<name>[^/]+):generateServiceIdentity")
def _identity(google: GoogleApis, _: Asked, found: Any) -> Any:
    service = found["name"].partition(".")[0]
    address = f"service-{NUMBER}@gcp-sa-{service}.iam.gserviceaccount.com"
    google.state["agents"] = sorted({*google.state.get("agents", []), address})
    return operation({"email": address, "uniqueId": "1"})


@answers("cloudresourcemanager", "POST", "v1/PROJECT:testIamPermissions")
def _permissions(_: GoogleApis, asked: Asked, __: Any) -> Any:
    return {"permissions": asked.body["permissions"]}


@answers("cloudresourcemanager", "POST", "v1/PROJECT:getEffectiveOrgPolicy")
def _effective_policy(google: GoogleApis, asked: Asked, _: Any) -> Any:
    constraint = asked.body["constraint"].removeprefix("constraints/")
    values = {"allowedValues": ["C0123"]} if google.shares_in_domain_only else {"allValues": "ALLOW"}
    is_sharing = constraint == "iam.allowedPolicyMemberDomains"
    return {"constraint": asked.body["constraint"], **({"listPolicy": values} if is_sharing else {})}


@answers("cloudbilling", "GET", "v1/PROJECT/billingInfo")
def _billing(_: GoogleApis, __: Asked, ___: Any) -> Any:
    return {"projectId": PROJECT, "billingEnabled": True, "billingAccountName": f"billingAccounts/{ACCOUNT}"}


@answers("billingbudgets", "GET", r"v1\w*/billingAccounts/[\w-]+/budgets")
def _budgets(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"budgets": google.listed("billingbudgets")}


@answers("billingbudgets", "POST", r"v1\w*/billingAccounts/[\w-]+/budgets")
def _new_budget(google: GoogleApis, asked: Asked, _: Any) -> Any:
    given = asked.body.get("budget", asked.body)
    return google.create("billingbudgets/1", {**given, "name": f"billingAccounts/{ACCOUNT}/budgets/1"})


@answers("artifactregistry", "GET", f"v1/PROJECT/locations/{REGION}/repositories/gcf-artifacts")
def _repository(google: GoogleApis, _: Asked, __: Any) -> Any:
    return google.there("artifactregistry/gcf-artifacts")


@answers("artifactregistry", "PATCH", f"v1/PROJECT/locations/{REGION}/repositories/gcf-artifacts")
def _change_repository(google: GoogleApis, asked: Asked, _: Any) -> Any:
    google.there("artifactregistry/gcf-artifacts").update(asked.body)
    return google.there("artifactregistry/gcf-artifacts")


@answers("cloudquotas", "GET", r"v1\w*/PROJECT/locations/global/services/run.googleapis.com/quotaInfos/(?P<name>\w+)")
def _quota(_: GoogleApis, __: Asked, found: Any) -> Any:
    place = {"applicableLocations": [REGION], "details": {"value": "20000"}}
    return {"quotaId": found["name"], "service": "run.googleapis.com", "dimensionsInfos": [place]}


@answers("iam", "GET", "v1/PROJECT/serviceAccounts")
def _accounts(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"accounts": google.listed("iam/projects/P/serviceAccounts")}


@answers("iam", "GET", "v1/PROJECT/serviceAccounts/(?P<name>[^/]+)")
def _account(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"iam/projects/P/serviceAccounts/{found['name']}")


@answers("iam", "POST", "v1/PROJECT/serviceAccounts")
def _new_account(google: GoogleApis, asked: Asked, _: Any) -> Any:
    address = f"{asked.body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    account = {
        "name": f"projects/{PROJECT}/serviceAccounts/{address}",
        "email": address,
        **asked.body["serviceAccount"],
    }
    return google.create(f"iam/projects/P/serviceAccounts/{address}", account)


# The project's own roles: https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles


@answers("iam", "GET", "v1/PROJECT/roles")
def _roles(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """In the basic view, which leaves out the permissions."""
    shows_deleted = asked.query.get("showDeleted", "").lower() == "true"
    roles = [role for role in google.listed("iam/projects/P/roles") if shows_deleted or not role.get("deleted")]
    return {"roles": [{name: role[name] for name in role if name != "includedPermissions"} for role in roles]}


@answers("iam", "GET", "v1/PROJECT/roles/(?P<name>[^/:]+)")
def _role(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"iam/projects/P/roles/{found['name']}")


@answers("iam", "POST", "v1/PROJECT/roles")
def _new_role(google: GoogleApis, asked: Asked, _: Any) -> Any:
    name = asked.body["roleId"]
    role = {**asked.body["role"], "name": f"projects/{PROJECT}/roles/{name}", "etag": "BwX="}
    return google.create(f"iam/projects/P/roles/{name}", role)


@answers("iam", "PATCH", "v1/PROJECT/roles/(?P<name>[^/:]+)")
def _change_role(google: GoogleApis, asked: Asked, found: Any) -> Any:
    role = google.there(f"iam/projects/P/roles/{found['name']}")
    if role.get("deleted"):
        raise Refusal(400, "FAILED_PRECONDITION", f"The role {role['name']} is deleted.")
    role.update({name: asked.body[name] for name in asked.query["updateMask"].split(",")})
    return role


@answers("iam", "POST", "v1/PROJECT/roles/(?P<name>[^/:]+):undelete")
def _undelete_role(google: GoogleApis, _: Asked, found: Any) -> Any:
    role = google.there(f"iam/projects/P/roles/{found['name']}")
    if not role.pop("deleted", False):
        raise Refusal(400, "FAILED_PRECONDITION", f"The role {role['name']} is not deleted.")
    return role


@answers("metadata", "GET", ".*")
def _credentials(_: GoogleApis, __: Asked, ___: Any) -> Any:
    """What Google's metadata server says of a machine's account."""
    return {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
