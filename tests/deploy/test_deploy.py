"""What a deployment brings up, and that it may be repeated, broken off and rolled back."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import DeployError
from deploy.lock import held
from deploy.troubles import SHARING
from nightshift.functions import FUNCTIONS
from tests.deploy.google import PROJECT, Refused
from tests.deploy.world import SECRETS, Died, Site, Terminal, copy_of, new_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A new project."""
    return new_site(tmp_path)


async def test_a_new_project_gets_everything_in_one_run(site: Site) -> None:
    """All functions active, with retry, and all that they need; the stand-in refuses what comes before its time."""
    await site.deploy(email="ops@example.com")
    functions = site.state["functions"]
    assert functions.keys() == {function.name for function in FUNCTIONS}
    assert all(function["state"] == "ACTIVE" for function in functions.values())
    events = [functions[function.name] for function in FUNCTIONS if function.takes_events]
    assert {function["eventTrigger"]["retryPolicy"] for function in events} == {"RETRY_POLICY_RETRY"}
    assert site.state["databases"][0]["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"
    assert site.state["backups"]
    assert site.state["rules"]
    bucket = site.state["buckets"][f"{PROJECT}-nightshift"]
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    letters = [one for one in site.state["subscriptions"].values() if "deadLetterPolicy" in one]
    # By the table of functions; a trigger on documents is where the database is.
    deliveries = sorted(function.most_deliveries for function in FUNCTIONS if function.most_deliveries)
    assert deliveries == [5, 20, 20, 20, 20]
    assert sorted(one["deadLetterPolicy"]["maxDeliveryAttempts"] for one in letters) == deliveries
    (alert,) = site.state["alerts"].values()
    assert alert["notificationChannels"] == [site.state["channels"][0]["name"]]


async def test_a_second_run_changes_nothing(site: Site) -> None:
    """All is `same`, or a note on an unused provider; only the Firebase CLI is asked, since it alone compares rules."""
    await site.deploy(email="ops@example.com")
    before = copy_of(site.state)
    terminal = await site.deploy({}, email="ops@example.com")
    assert site.actions() == {"same", "check", "note"}
    assert [command[0] for command in terminal.made if "storage" not in command] == ["npx"]
    assert site.state == before


async def test_a_plan_changes_nothing(site: Site) -> None:
    """It says every command, and runs none but looks."""
    before = copy_of(site.state)
    terminal = await site.deploy(plan_only=True)
    assert terminal.made == []
    assert site.state == before
    assert any("gcloud functions deploy onAiJobCreated" in line for line in site.said)


async def test_a_run_that_is_broken_off_anywhere_is_mended_by_the_next(site: Site, tmp_path: Path) -> None:
    """Before the first command that changes something, and after each: the end is always the same.

    Before a later one, Google's side is as it was after the one before: in between, a deployment only looks.
    """
    complete = await site.deploy(email="ops@example.com")
    wanted = copy_of(site.state)
    for number in range(len(complete.made) + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        broken = new_site(folder)
        with pytest.raises(Died):
            await broken.deploy(email="ops@example.com", dies_at=max(number, 1), when="after" if number else "before")
        await broken.deploy(email="ops@example.com")
        assert broken.state == wanted, complete.made[number - 1]
    assert len(complete.made) > 50


async def test_no_secret_is_ever_an_argument_or_printed(site: Site) -> None:
    """Neither when it is new, nor when it is compared, nor when it is replaced."""
    terminals = [
        await site.deploy(),
        await site.deploy(),
        await site.deploy(SECRETS | {"OPENAI_API_KEY": "sk-marked-key-2"}),
    ]
    assert site.state["secrets"]["openai-api-key"] == ["sk-marked-key-1", "sk-marked-key-2"]
    everything = [str(command) + repr(command) for terminal in terminals for command in terminal.commands]
    everything += [*site.said, *(word for t in terminals for c in t.commands for word in c.arguments)]
    (image_key,) = site.state["secrets"]["image-signing-key"]
    secrets = ("sk-marked", "bWFya2Vk", image_key.partition(":")[2])
    assert not any(secret in text for text in everything for secret in secrets)


async def test_a_new_key_is_a_new_version_and_reaches_every_function_that_has_it(site: Site) -> None:
    """Those that have no key are left as they are."""
    await site.deploy()
    terminal = await site.deploy(SECRETS | {"OPENAI_API_KEY": "sk-marked-key-2"})
    deployed = [command[3] for command in terminal.made if command[1:3] == ("functions", "deploy")]
    assert deployed == [function.name for function in FUNCTIONS if function.asks_providers]
    config = site.state["functions"]["onAiJobCreated"]["serviceConfig"]
    given = {one["key"]: (one["secret"], one["version"]) for one in config["secretEnvironmentVariables"]}
    assert given == {"OPENAI_API_KEY": ("openai-api-key", "2"), "IMAGE_SIGNING_KEY": ("image-signing-key", "1")}


@pytest.mark.parametrize("added", ["\n", " ", "\ufffd"])
async def test_a_kept_key_that_differs_by_an_invisible_byte_is_replaced(site: Site, added: str) -> None:
    """What is compared is every byte; and what is given is added without the line end of its file."""
    await site.deploy()
    site.state["secrets"]["openai-api-key"] = [SECRETS["OPENAI_API_KEY"] + added]

    await site.deploy(SECRETS | {"OPENAI_API_KEY": f"{SECRETS['OPENAI_API_KEY']}\n"})

    assert site.state["secrets"]["openai-api-key"][1:] == [SECRETS["OPENAI_API_KEY"]]
    terminal = await site.deploy()
    assert not [command for command in terminal.made if command[1] == "secrets"]


@pytest.mark.parametrize("key", ['"sk-marked-key-1"', "sk-marked\u200b-key-1", "sk-marked-key\n-1"])
async def test_a_key_that_no_function_would_start_with_is_not_deployed(site: Site, key: str) -> None:
    """The variable is named, its value is not shown, and nothing is changed."""
    with pytest.raises(DeployError, match="OPENAI_API_KEY") as stopped:
        await site.deploy(SECRETS | {"OPENAI_API_KEY": key})
    assert "marked" not in str(stopped.value)
    assert site.state["apis"] == []


async def test_without_the_key_nothing_is_begun(site: Site) -> None:
    """The sentence names the variable that was missing."""
    with pytest.raises(DeployError, match="OPENAI_API_KEY"):
        await site.deploy({})
    assert site.state["apis"] == []


async def test_an_app_bucket_of_another_name_has_to_be_there(site: Site) -> None:
    """Firebase makes the default one alone; the sentence says where the other is added."""
    with pytest.raises(DeployError, match=r"console\.firebase\.google\.com"):
        await site.deploy(settings=f"NIGHTSHIFT_UPLOADS_BUCKET={PROJECT}-photos\n")
    assert site.state["apis"] == []


async def test_an_older_projects_bucket_is_named_with_its_setting(site: Site) -> None:
    """Firebase named it PROJECT.appspot.com; the sentence says which setting to set, and to what."""
    older = f"{PROJECT}.appspot.com"
    site.state["buckets"] = {older: {"name": older}}
    with pytest.raises(DeployError, match=f"set NIGHTSHIFT_UPLOADS_BUCKET={older}"):
        await site.deploy()
    assert site.state["apis"] == []


async def test_without_the_webhooks_secret_its_function_is_left_out_and_can_come_later(site: Site) -> None:
    """The plan says so both times, and the others are deployed."""
    key = {"OPENAI_API_KEY": "sk-marked-key-1"}
    await site.deploy(key)
    assert "openaiWebhook" not in site.state["functions"]
    assert any(line.strip().startswith("left out") for line in site.said)
    terminal = await site.deploy(SECRETS)
    assert "openaiWebhook" in site.state["functions"]
    deployed = [command[3] for command in terminal.made if command[1:3] == ("functions", "deploy")]
    assert deployed == ["openaiWebhook"]


async def test_an_older_checkout_is_deployed_like_any_other(site: Site) -> None:
    """Its sources come back; an index that it does not know stays, since nothing removes one."""
    await site.deploy()
    labels = site.state["functions"]["onAiJobCreated"]["labels"]
    source = site.root / "functions" / "main.py"
    old = source.read_text()
    source.write_text("# newer\n")
    await site.deploy()
    assert site.state["functions"]["onAiJobCreated"]["labels"] != labels
    source.write_text(old)
    await site.deploy()
    assert site.state["functions"]["onAiJobCreated"]["labels"] == labels


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("availableMemory", "256Mi"),
        ("maxInstanceRequestConcurrency", 1),
        ("ingressSettings", "ALLOW_ALL"),
        ("serviceAccountEmail", "other@example.com"),
        ("availableCpu", "2"),
        ("secretEnvironmentVariables", []),
    ],
)
async def test_what_was_changed_by_hand_is_changed_back(site: Site, field: str, value: object) -> None:
    """Though its label still says that it is as declared."""
    await site.deploy()
    wanted = copy_of(site.state)
    site.state["functions"]["onAiJobCreated"]["serviceConfig"][field] = value
    terminal = await site.deploy()
    assert [command[3] for command in terminal.made if command[1:3] == ("functions", "deploy")] == ["onAiJobCreated"]
    assert site.state == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eventFilters", [{"attribute": "document", "value": "jobs/{jobId}"}]),
        ("triggerRegion", "us-central1"),
        ("serviceAccountEmail", "other@example.com"),
        ("retryPolicy", "RETRY_POLICY_DO_NOT_RETRY"),
    ],
)
async def test_a_trigger_that_was_changed_by_hand_is_changed_back(site: Site, field: str, value: object) -> None:
    """The plan names it."""
    await site.deploy()
    wanted = copy_of(site.state)
    site.state["functions"]["onAiJobCreated"]["eventTrigger"][field] = value
    await site.deploy()
    assert "onAiJobCreated: changed by hand: trigger" in [change.what for change in site.planned]
    assert site.state == wanted


async def test_a_rollback_by_hand_is_seen_and_ended_by_the_next_deployment(site: Site) -> None:
    """An older revision serves all traffic: the plan says so, and the newest serves again."""
    await site.deploy()
    wanted = copy_of(site.state)
    site.state["services"]["onaijobcreated"]["traffic"] = [{"revisionName": "onaijobcreated-00001", "percent": 100}]
    await site.deploy(plan_only=True)
    assert "onAiJobCreated: changed by hand: traffic" in [change.what for change in site.planned]
    await site.deploy()
    assert site.state == wanted


async def test_where_all_users_may_be_granted_nothing_the_service_checks_no_callers(site: Site) -> None:
    """Under domain-restricted sharing: the steps after it are taken, and a second run changes nothing."""
    site.state["shares_in_domain_only"] = True
    await site.deploy()
    opened = {name for name, service in site.state["services"].items() if service["annotations"]}
    assert opened == {function.service for function in FUNCTIONS if not function.takes_events}
    assert site.state["alerts"]
    assert not site.left
    before = copy_of(site.state)
    await site.deploy()
    assert site.actions() == {"same", "check", "note"}
    assert site.state == before


async def test_what_a_policy_refuses_in_both_ways_is_left_and_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All later steps are taken; the sentence says what to do."""
    site.state["shares_in_domain_only"] = True

    def refuse(*_: object) -> None:
        raise Refused(SHARING.seen)

    monkeypatch.setattr(site.google, "_run_services_update", refuse)
    await site.deploy()
    assert site.state["alerts"]
    assert len(site.left) == len([function for function in FUNCTIONS if not function.takes_events])
    assert all("iam.allowedPolicyMemberDomains" in sentence for sentence in site.left)


async def test_a_service_that_checks_no_callers_though_it_takes_events_checks_them_again(site: Site) -> None:
    """Any client could send it events."""
    await site.deploy()
    site.state["services"]["processbatchjobs"]["annotations"]["run.googleapis.com/invoker-iam-disabled"] = "True"
    await site.deploy()
    annotations = site.state["services"]["processbatchjobs"]["annotations"]
    assert annotations["run.googleapis.com/invoker-iam-disabled"] == "False"


async def test_the_policy_of_what_is_not_there_is_not_asked_for(site: Site) -> None:
    """Google answers PERMISSION_DENIED for an account that was deleted; the plan goes on, and makes it anew."""
    await site.deploy()
    gone = f"nightshift-tick@{PROJECT}.iam.gserviceaccount.com"
    site.state["accounts"].remove(gone)
    await site.deploy(plan_only=True)
    assert "create" in site.actions()
    await site.deploy()
    assert gone in site.state["accounts"]


async def test_the_builder_reads_the_bucket_of_sources_and_no_users_upload(site: Site) -> None:
    """A condition says which; the grant without one, which an older version made, is taken away."""
    await site.deploy()
    builder = f"serviceAccount:nightshift-build@{PROJECT}.iam.gserviceaccount.com"
    policy = site.state["policies"][f"projects {PROJECT}"]
    (grant,) = [one for one in policy if one[0] == "roles/storage.objectViewer"]
    assert grant[1] == builder
    assert "buckets/gcf-v2-sources-123456789-asia-south1'" in grant[2]
    policy.append(["roles/storage.objectViewer", builder])
    await site.deploy()
    assert [one for one in site.state["policies"][f"projects {PROJECT}"] if one[0] == grant[0]] == [grant]


async def test_the_webhooks_account_may_publish_and_read_its_secret_and_nothing_else(site: Site) -> None:
    """What an older version granted to it is taken away: Firestore, the key, the buckets, signing."""
    await site.deploy()
    webhook = f"serviceAccount:nightshift-webhook@{PROJECT}.iam.gserviceaccount.com"
    policies = site.state["policies"]
    older = {
        f"projects {PROJECT}": "roles/datastore.user",
        "secrets openai-api-key": "roles/secretmanager.secretAccessor",
        f"storage buckets gs://{PROJECT}-nightshift": "roles/storage.objectUser",
        f"storage buckets gs://{PROJECT}.firebasestorage.app": "roles/storage.objectViewer",
    }
    for resource, role in older.items():
        policies[resource].append([role, webhook])
    await site.deploy()
    assert {
        (resource, role) for resource, policy in policies.items() for role, who, *_ in policy if who == webhook
    } == {
        ("pubsub topics nightshift-ingest", "roles/pubsub.publisher"),
        ("secrets openai-webhook-secret", "roles/secretmanager.secretAccessor"),
    }


async def test_mail_and_another_provider_reach_those_who_use_them(site: Site) -> None:
    """The password and the key as secrets, the server as settings; a second deployment changes nothing."""
    secrets = SECRETS | {"ANTHROPIC_API_KEY": "sk-ant-marked", "SMTP_PASSWORD": "marked-password"}
    server = {"SMTP_HOST": "smtp.example.com", "SMTP_USER": "nightshift", "SMTP_FROM": "Us <answers@example.com>"}
    settings = "".join(f"{name}={value}\n" for name, value in (server | {"NIGHTSHIFT_MAIL": "smtp"}).items())
    for _ in range(2):
        await site.deploy(secrets, settings=settings + "NIGHTSHIFT_PUSH=true\n")

    assert site.actions() <= {"same", "check", "note"}
    configs = {name: function["serviceConfig"] for name, function in site.state["functions"].items()}
    assert all(config["environmentVariables"].items() >= server.items() for config in configs.values())
    given = {name: {one["key"] for one in of.get("secretEnvironmentVariables", [])} for name, of in configs.items()}
    assert {name for name, keys in given.items() if "SMTP_PASSWORD" in keys} == {
        function.name for function in FUNCTIONS if function.sends_messages
    }
    assert {name for name, keys in given.items() if "ANTHROPIC_API_KEY" in keys} == {
        function.name for function in FUNCTIONS if function.asks_providers
    }
    messenger = f"serviceAccount:nightshift-notify@{PROJECT}.iam.gserviceaccount.com"
    held = {(kind, one[0]) for kind, grants in site.state["policies"].items() for one in grants if one[1] == messenger}
    assert held >= {
        ("secrets smtp-password", "roles/secretmanager.secretAccessor"),
        (f"projects {PROJECT}", "roles/firebasecloudmessaging.admin"),
    }
    assert ("secrets anthropic-api-key", "roles/secretmanager.secretAccessor") not in held


async def test_the_statistics_may_count_and_look_at_a_user_and_nothing_else(site: Site) -> None:
    """By a role of our own, which comes back after it was deleted or widened by hand; an older version's go."""
    await site.deploy()
    stats = f"serviceAccount:nightshift-stats@{PROJECT}.iam.gserviceaccount.com"
    policy = site.state["policies"][f"projects {PROJECT}"]
    policy += [["roles/datastore.viewer", stats], ["roles/firebaseauth.viewer", stats]]
    role = site.state["roles"]["nightshiftStats"]
    role["includedPermissions"].append("datastore.entities.delete")
    await site.deploy()
    role["deleted"] = True
    await site.deploy()
    await site.deploy(plan_only=True)
    assert site.actions() <= {"same", "check", "note"}
    held = {(kind, one[0]) for kind, grants in site.state["policies"].items() for one in grants if one[1] == stats}
    assert held == {(f"projects {PROJECT}", f"projects/{PROJECT}/roles/nightshiftStats")}
    counts_and_looks = ["datastore.entities.get", "datastore.entities.list", "firebaseauth.users.get"]
    assert site.state["roles"]["nightshiftStats"]["includedPermissions"] == counts_and_looks


async def test_the_api_reads_no_key_and_its_links_open_two_folders_alone(site: Site) -> None:
    """Firestore, one look at a user, a worker's topic; uploads are created and never read, results never written."""
    await site.deploy()
    api = f"serviceAccount:nightshift-api@{PROJECT}.iam.gserviceaccount.com"
    policies = site.state["policies"].items()
    held = {(kind, *one[:1], *one[2:]) for kind, grants in policies for one in grants if one[1] == api}
    objects = "resource.name.startsWith('projects/_/buckets/{}/objects/{}/')"
    conditions = {(kind, role): where[0] for kind, role, *where in held if where}
    assert {(kind, role) for kind, role, *_ in held} == {
        (f"projects {PROJECT}", "roles/datastore.user"),
        (f"projects {PROJECT}", f"projects/{PROJECT}/roles/nightshiftStats"),
        ("pubsub topics nightshift-ingest", "roles/pubsub.publisher"),
        ("pubsub topics nightshift-bulk", "roles/pubsub.publisher"),
        (f"storage buckets gs://{PROJECT}-nightshift", "roles/storage.objectViewer"),
        (f"storage buckets gs://{PROJECT}.firebasestorage.app", "roles/storage.objectCreator"),
        (f"iam service-accounts {api.partition(':')[2]}", "roles/iam.serviceAccountTokenCreator"),
    }
    private = (f"storage buckets gs://{PROJECT}-nightshift", "roles/storage.objectViewer")
    assert conditions[private] == objects.format(f"{PROJECT}-nightshift", "bulk")
    config = site.state["functions"]["api"]["serviceConfig"]
    assert not config.get("secretEnvironmentVariables")


async def test_storage_rules_are_released_to_the_bucket_of_the_settings(site: Site) -> None:
    """Not to the project's default one."""
    bucket = f"{PROJECT}-photos"
    site.state["buckets"][bucket] = {"name": bucket}
    terminal = await site.deploy(settings=f"NIGHTSHIFT_UPLOADS_BUCKET={bucket}\n")
    (command,) = [one for one in terminal.commands if "--only=firestore:rules,storage" in one.arguments]
    assert command.file
    name, content = command.file
    assert f"--config={name}" in command.arguments
    assert json.loads(content)["storage"] == [{"bucket": bucket, "rules": "storage.rules"}]


async def test_a_project_may_have_more_instances_than_the_table(site: Site) -> None:
    """By its settings; the functions are not told."""
    site.state["milli_cpu"] = 200_000
    await site.deploy(settings="DEPLOY_MAX_INSTANCES=onAiJobCreated:100, ingestBatchResults:50\n")
    config = site.state["functions"]["onAiJobCreated"]["serviceConfig"]
    assert config["maxInstanceCount"] == 100
    assert not [name for name in config["environmentVariables"] if name.startswith("DEPLOY_")]
    assert site.state["functions"]["ingestBatchResults"]["serviceConfig"]["maxInstanceCount"] == 50


async def test_the_dashboard_is_released_to_the_site_that_the_project_names_and_to_no_other(site: Site) -> None:
    """A release replaces what a site has, so without a name nothing is released; the API is that of this region."""
    await site.deploy()
    assert not site.state["has_pages"]
    terminal = await site.deploy(settings="DEPLOY_DASHBOARD_SITE=night-desk\n")
    assert site.state["has_pages"]
    (command,) = [one for one in terminal.commands if "--only=hosting" in one.arguments]
    assert command.file
    released = json.loads(command.file[1])["hosting"]
    assert released["site"] == "night-desk"
    assert released["rewrites"][0] == {"source": "/v1/**", "run": {"serviceId": "api", "region": "asia-south1"}}
    with pytest.raises(DeployError, match="DEPLOY_DASHBOARD_SITE must be the id of a site"):
        await site.deploy(settings="DEPLOY_DASHBOARD_SITE=https://x\n")


async def test_app_check_is_set_where_the_project_says_how_and_left_alone_elsewhere(site: Site) -> None:
    """Enforced too early, it would lock every user out."""
    await site.deploy()
    assert site.state["app_check"] == {}
    await site.deploy(settings="DEPLOY_APP_CHECK=enforced\n")
    assert site.state["app_check"] == {"firestore": "enforced", "storage": "enforced"}
    with pytest.raises(DeployError, match="DEPLOY_APP_CHECK must be one of off, unenforced, enforced"):
        await site.deploy(settings="DEPLOY_APP_CHECK=on\n")


async def test_a_budget_alert_is_made_and_brought_to_its_amount(site: Site) -> None:
    """By a setting; without one, nothing is made."""
    await site.deploy()
    assert site.state["budgets"] == {}
    for amount in ("200", "300"):
        await site.deploy(settings=f"DEPLOY_MONTHLY_BUDGET={amount}\n")
        (budget,) = site.state["budgets"].values()
        assert budget["displayName"] == f"nightshift {PROJECT}"
        assert budget["amount"]["specifiedAmount"]["units"] == amount
    await site.deploy(settings="DEPLOY_MONTHLY_BUDGET=300\n")
    assert site.actions() == {"same", "check", "note"}


async def test_where_budgets_cannot_be_seen_the_accounts_owner_gets_the_command(site: Site) -> None:
    """A deployer need not see the billing account; all else is deployed."""
    site.state["sees_budgets"] = False

    await site.deploy(settings="DEPLOY_MONTHLY_BUDGET=200\n")

    assert site.state["budgets"] == {}
    (told,) = [line for line in site.said if "owner runs gcloud billing budgets create" in line]
    assert "--billing-account=0A-1B" in told
    assert "--budget-amount=200" in told


async def test_images_of_former_builds_are_deleted_and_the_newest_kept(site: Site) -> None:
    """Whatever was changed by hand is brought back."""
    await site.deploy()
    declared = site.state["image_policies"]
    assert {name: policy["action"] for name, policy in declared.items()} == {
        "keep-newest": "KEEP",
        "delete-older": "DELETE",
    }
    site.state["image_policies"] = {"keep-newest": declared["keep-newest"]}

    await site.deploy()

    assert site.state["image_policies"] == declared


async def test_functions_framework_leaves_the_log_of_a_deployed_function_alone(site: Site) -> None:
    """Cloud Functions would set the variable to true."""
    await site.deploy()
    variables = site.state["functions"]["processBatchJobs"]["serviceConfig"]["environmentVariables"]
    assert variables["LOG_EXECUTION_ID"] == "false"


async def test_a_function_that_failed_to_deploy_is_deployed_again(site: Site) -> None:
    """Whatever its label says."""
    await site.deploy()
    site.state["functions"]["getBatchStats"]["state"] = "FAILED"
    await site.deploy()
    assert site.state["functions"]["getBatchStats"]["state"] == "ACTIVE"


async def test_a_right_too_much_is_taken_away(site: Site) -> None:
    """From our own accounts, and from every caller of a function that takes events; no other right is touched."""
    await site.deploy()
    wanted = copy_of(site.state)
    stats = f"serviceAccount:nightshift-stats@{PROJECT}.iam.gserviceaccount.com"
    site.state["policies"][f"projects {PROJECT}"].append(["roles/owner", stats])
    site.state["policies"]["run services processbatchjobs"].append(["roles/run.invoker", "allUsers"])
    await site.deploy()
    assert site.state["policies"] == wanted["policies"]
    site.state["policies"][f"projects {PROJECT}"].append(["roles/owner", "user:boss@example.com"])
    await site.deploy()
    assert ["roles/owner", "user:boss@example.com"] in site.state["policies"][f"projects {PROJECT}"]


@pytest.mark.parametrize("location", ["nam5", "us-central1"])
async def test_the_trigger_stands_where_the_database_is(site: Site, location: str) -> None:
    """A database of several regions gives the trigger its name; the functions stay in their region."""
    name = f"projects/{PROJECT}/databases/(default)"
    site.state["databases"] = [{"name": name, "locationId": location, "type": "FIRESTORE_NATIVE"}]
    await site.deploy(region="us-central1")
    function = site.state["functions"]["onAiJobCreated"]
    assert function["eventTrigger"]["trigger"].split("/")[3] == location
    assert function["name"].split("/")[3] == "us-central1"
    assert site.state["databases"][0]["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"


async def test_a_database_of_the_other_kind_stops_the_deployment(site: Site) -> None:
    """It has no listeners for the app, and is left as it is."""
    name = f"projects/{PROJECT}/databases/(default)"
    site.state["apis"] = ["firestore.googleapis.com"]
    site.state["databases"] = [{"name": name, "locationId": "nam5", "type": "DATASTORE_MODE"}]
    with pytest.raises(DeployError, match="DATASTORE_MODE"):
        await site.deploy()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("DEPLOY_MONTHLY_BUDGET=200USD", "DEPLOY_MONTHLY_BUDGET"),
        ("NIGHTSHIFT_MAX_ATEMPTS=3", "NIGHTSHIFT_MAX_ATEMPTS"),
        ("NIGHTSHIFT_MAX_ATTEMPTS=none", "NIGHTSHIFT_MAX_ATTEMPTS"),
        ("NIGHTSHIFT_TICK_SECONDS=540", "NIGHTSHIFT_TICK_SECONDS"),
        ("NIGHTSHIFT_MODELS=photo_ratings=gpt-5", "NIGHTSHIFT_MODELS: there is no job type photo_ratings"),
        ("OPENAI_API_KEY=sk-committed", "line 1"),
        ("SMTP_PASSWORD=sk-committed", "line 1"),
        ("SMTP_HOSTS=smtp.example.com", "line 1"),
        ("NIGHTSHIFT_MAIL=smtp", "SMTP_HOST"),
        ("FIREBASE_AUTH_EMULATOR_HOST=localhost:9099", "line 1"),
        ("DEPLOY_MAX_INSTANCE=onAiJobCreated:5", "DEPLOY_MAX_INSTANCE is no setting"),
        ("DEPLOY_MAX_INSTANCES=on_ai_job_created:5", "DEPLOY_MAX_INSTANCES"),
        ("DEPLOY_MAX_INSTANCES=onAiJobCreated:0", "DEPLOY_MAX_INSTANCES"),
    ],
)
async def test_a_wrong_setting_stops_the_deployment_and_names_itself(site: Site, settings: str, named: str) -> None:
    """Before anything is changed; and no value is shown."""
    with pytest.raises(DeployError, match=named) as stopped:
        await site.deploy(settings=settings)
    assert "sk-committed" not in str(stopped.value)
    assert site.state["apis"] == []


async def test_settings_reach_the_functions_as_they_stand(site: Site) -> None:
    """Commas are part of some values."""
    await site.deploy(settings="# a comment\n\nNIGHTSHIFT_IMAGE_HOSTS=a.example.com,b.example.com\n")
    variables = site.state["functions"]["onAiJobCreated"]["serviceConfig"]["environmentVariables"]
    assert variables["NIGHTSHIFT_IMAGE_HOSTS"] == "a.example.com,b.example.com"
    assert variables["GOOGLE_CLOUD_PROJECT"] == PROJECT


async def test_a_changed_alert_and_metric_are_changed_in_place(site: Site) -> None:
    """By their names; channels that an operator attached stay."""
    await site.deploy()
    (alert,) = site.state["alerts"].values()
    site.state["channels"].append({"name": "theirs", "type": "slack", "labels": {}})
    alert["notificationChannels"] = ["theirs"]
    path = site.root / "monitoring" / "alerts" / "sample-alert.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"displayName": "Changed"}))
    metric = site.root / "monitoring" / "metrics" / "nightshift_sample.json"
    metric.write_text(json.dumps(json.loads(metric.read_text()) | {"filter": "severity>=ERROR"}))
    await site.deploy(email="ops@example.com")
    (alert,) = site.state["alerts"].values()
    assert alert["displayName"] == "Changed"
    assert alert["notificationChannels"] == ["theirs", site.state["channels"][1]["name"]]
    assert site.state["metrics"]["nightshift_sample"]["filter"] == "severity>=ERROR"


async def test_a_dashboard_that_was_changed_by_hand_is_made_anew(site: Site) -> None:
    """It is known by its title; a board of another title is left alone."""
    await site.deploy()
    wanted = copy_of(site.state)
    (board,) = site.state["dashboards"].values()
    board["mosaicLayout"]["columns"] = 12
    await site.deploy()
    assert site.state == wanted


async def test_functions_wait_for_indexes_that_are_being_built(site: Site) -> None:
    """A run that finds them so goes on when they are ready, and not before."""
    await site.deploy()
    site.state["indexes"][0]["state"] = "CREATING"
    with pytest.raises(DeployError, match="being built"):
        await site.deploy()
    assert "wait" in site.actions()
    site.state["indexes"][0]["state"] = "READY"
    await site.deploy()
    assert site.actions() == {"same", "check", "note"}


async def test_functions_wait_for_the_index_of_a_field(site: Site) -> None:
    """As for one of several fields: a query on a field whose index is being built fails."""
    await site.deploy()
    index = next(index for field in site.state["fields"] for index in field["indexConfig"].get("indexes", []))
    index["state"] = "CREATING"
    with pytest.raises(DeployError, match="being built"):
        await site.deploy()
    index["state"] = "READY"
    await site.deploy()
    assert site.actions() == {"same", "check", "note"}


async def test_two_deployments_at_once_do_not_interleave(site: Site) -> None:
    """The second names the first, changes nothing, and says how a lock is removed whose deployment died."""
    await site.deploy()
    first = await site.begin(Terminal(site.google))
    async with held(first):
        before = copy_of(site.state)
        with pytest.raises(DeployError, match=r"Another deployment is under way, by .* since") as told:
            await site.deploy(settings="NIGHTSHIFT_MODEL=gpt-5\n")
        assert f"gcloud storage rm gs://{PROJECT}-nightshift/deployment.lock" in str(told.value)
        assert site.state == before
    assert site.state["objects"] == {}


async def test_a_lock_whose_answer_was_lost_is_held(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object is there, and holds what this deployment wrote."""
    await site.deploy()
    take = site.google._storage_cp

    def lose(*arguments: Any) -> None:
        take(*arguments)
        raise Refused("the connection was reset")

    monkeypatch.setattr(site.google, "_storage_cp", lose)
    await site.deploy()
    assert site.state["objects"] == {}


async def test_a_deployment_that_fails_gives_its_lock_back(site: Site) -> None:
    """The next one begins at once."""
    await site.deploy()
    site.state["indexes"][0]["state"] = "CREATING"
    with pytest.raises(DeployError, match="being built"):
        await site.deploy()
    assert site.state["objects"] == {}
