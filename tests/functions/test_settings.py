"""Settings: what undoes a control in production stops the start, and a key is clean or refused by its name."""

import os
import traceback
from collections.abc import Mapping

import pytest
from functions_framework.aio import create_asgi_app

from nightshift import settings
from nightshift.errors import InvalidSettings, JobRefused
from nightshift.functions import PROVIDERS
from nightshift.images.image_uri import check_web_address
from nightshift.settings import Settings
from nightshift.values.hosts import is_public
from tests.support.world import SOURCE

_SIGNING_SECRET = "whsec_bWFya2VkLW1hcmtlZC1tYXJrZWQtbWFya2Vk"
_DEPLOYED = {
    "GOOGLE_CLOUD_PROJECT": "a-project",
    "FUNCTION_TARGET": "openai_webhook",
    "K_SERVICE": "openaiwebhook",
    "OPENAI_API_KEY": "sk-1234",
    "OPENAI_WEBHOOK_SECRET": _SIGNING_SECRET,
}


def load(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    """The settings of a function with this environment and no other."""
    with monkeypatch.context() as only:
        for name in os.environ:
            only.delenv(name)
        for name, value in environment.items():
            only.setenv(name, value)
        return settings.load()


@pytest.mark.parametrize(
    ("target", "wrong", "name"),
    [
        ("process_batch_jobs", {"NIGHTSHIFT_MAX_ATTEMPTS": "none"}, "NIGHTSHIFT_MAX_ATTEMPTS"),
        ("process_batch_jobs", {"NIGHTSHIFT_COALESCE_SECONDS": "-1"}, "NIGHTSHIFT_COALESCE_SECONDS"),
        ("on_ai_job_created", {"NIGHTSHIFT_MAX_JOBS_PER_DAY": "-1"}, "NIGHTSHIFT_MAX_JOBS_PER_DAY"),
        ("process_batch_jobs", {"NIGHTSHIFT_DAILY_BUDGET_USD": "inf"}, "NIGHTSHIFT_DAILY_BUDGET_USD"),
        ("process_batch_jobs", {"NIGHTSHIFT_MODELL": "gpt-5"}, "NIGHTSHIFT_MODELL"),
        ("process_batch_jobs", {"NIGHTSHIFT_IMAGE_HOSTS": "localhost"}, "NIGHTSHIFT_IMAGE_HOSTS"),
        ("process_batch_jobs", {"NIGHTSHIFT_IMAGE_HOSTS": "cdn.example.com,"}, "NIGHTSHIFT_IMAGE_HOSTS"),
        ("process_batch_jobs", {"NIGHTSHIFT_MODEL": "nobody:gpt-5"}, "NIGHTSHIFT_MODEL"),
        ("process_batch_jobs", {"NIGHTSHIFT_MODEL": "openai:"}, "NIGHTSHIFT_MODEL"),
        ("process_batch_jobs", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("on_ai_job_created", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("ingest_batch_results", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": ""}, "OPENAI_WEBHOOK_SECRET"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": "whsec_"}, "OPENAI_WEBHOOK_SECRET"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": "whsec_sk-1234"}, "OPENAI_WEBHOOK_SECRET"),
        ("get_batch_stats", {"GOOGLE_CLOUD_PROJECT": ""}, "GOOGLE_CLOUD_PROJECT"),
        ("get_batch_stats", {"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1"}, "FIREBASE_AUTH_EMULATOR_HOST"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_names_itself(
    monkeypatch: pytest.MonkeyPatch, target: str, wrong: dict[str, str], name: str
) -> None:
    """As the framework starts a function: no log has to be searched, and no value, which may be a key, is shown."""
    with monkeypatch.context() as only:
        for variable in os.environ:
            only.delenv(variable)
        for variable, value in (_DEPLOYED | {"FUNCTION_TARGET": target} | wrong).items():
            only.setenv(variable, value)
        with pytest.raises(InvalidSettings, match=name) as refused:
            create_asgi_app(target, str(SOURCE))

    printed = "".join(traceback.format_exception(refused.value)).splitlines()
    assert name in printed[-1]
    assert not [line for line in printed if "sk-1234" in line]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", "http://models.example.com/v1"),
        ("OPENAI_BASE_URL", "https://user:password@models.example.com/v1"),
        ("OPENAI_BASE_URL", "HTTP://models.example.com"),
        *((f"{provider.upper()}_BASE_URL", "http://models.example.com") for provider in PROVIDERS),
        ("OPENAI_WEBHOOK_SECRET", "whsec_YQ=="),
        ("OPENAI_WEBHOOK_SECRET", "marked"),
        ("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1"),
        ("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1"),
        ("PUBSUB_EMULATOR_HOST", "127.0.0.1:1"),
        ("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:1"),
        ("firebase_auth_emulator_host", "127.0.0.1:1"),
        ("FIREBASE_STORAGE_EMULATOR_HOST", "127.0.0.1:1"),
        ("DATASTORE_EMULATOR_HOST", "127.0.0.1:1"),
        ("API_ENDPOINT_OVERRIDE", "http://127.0.0.1:1"),
        ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "example.com"),
        ("GCE_METADATA_HOST", "127.0.0.1:1"),
        ("GCE_METADATA_IP", "127.0.0.1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "key.json"),
        ("HTTP_PROXY", "http://proxy.example.com"),
        ("https_proxy", "http://proxy.example.com"),
        ("ALL_PROXY", "socks5://proxy.example.com"),
        ("SSL_CERT_FILE", "/workspace/authorities.pem"),
        ("REQUESTS_CA_BUNDLE", "authorities.pem"),
        ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/workspace/authorities.pem"),
        ("SSLKEYLOGFILE", "/workspace/keys"),
        ("OPENAI_LOG", "debug"),
        ("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google"),
        ("DEBUG", "1"),
        ("NIGHTSHIFT_DASHBOARD_ORIGIN", "http://dashboard.example.com"),
        ("NIGHTSHIFT_IMAGE_HOSTS", "kubernetes.default.svc"),
        ("NIGHTSHIFT_IMAGE_HOSTS", "*.nip.io"),
    ],
)
def test_a_deployed_function_refuses_what_undoes_a_control(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The message names the variable and does not show its value; the same function starts without it."""
    with pytest.raises(InvalidSettings, match=name) as refused:
        load(monkeypatch, _DEPLOYED | {name: value})

    assert f"{name}: " in str(refused.value)
    assert value == "1" or value not in str(refused.value)
    assert load(monkeypatch, _DEPLOYED).deployed_service


def test_a_deployed_function_starts_with_what_only_looks_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Google's base images set, an encrypted server of one's own, public statistics, and empty variables."""
    harmless = {
        "OPENAI_BASE_URL": "https://models.example.com/v1",
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        "NIGHTSHIFT_STATS_PUBLIC": "true",
        "NIGHTSHIFT_DASHBOARD_ORIGIN": "https://dashboard.example.com",
        "FIRESTORE_EMULATOR_HOST": "",
        "LOG_EXECUTION_ID": "true",
    }

    assert load(monkeypatch, _DEPLOYED | harmless).stats_public


def test_on_a_developers_machine_the_same_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulators, a plain address and a short secret are what the local stack is made of."""
    local = {name: value for name, value in _DEPLOYED.items() if name != "K_SERVICE"} | {
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
        "OPENAI_WEBHOOK_SECRET": "whsec_YQ==",
    }

    assert load(monkeypatch, local).openai_base_url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    "host",
    [
        "kubernetes.default.svc",
        "api.team.svc.cluster.local",
        "vault.service.consul",
        "10.0.0.1.nip.io",
        "app.sslip.io",
        "www.localtest.me",
        "www.192-168-0-1.example.com",
        "169.254.169.254.example.com",
        "metadata.google.internal",
        "metadata.goog",
    ],
)
def test_a_name_that_leads_inside_is_no_public_host(host: str) -> None:
    """Names of clusters, names that stand for an address spelt in them, and those of metadata servers."""
    assert not is_public(host)
    with pytest.raises(JobRefused):
        check_web_address(f"https://{host}/a.png", None)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("base_url", ["https://models.example.com/v1", "https://api.openai.com.example.com/v1"])
def test_beside_a_model_server_of_ones_own_only_listed_hosts_are_accepted(
    monkeypatch: pytest.MonkeyPatch, base_url: str, provider: str
) -> None:
    """That server may reach names that no list of ours knows; without an allow-list, images are uploaded."""
    own = _DEPLOYED | {f"{provider.upper()}_BASE_URL": base_url}

    assert load(monkeypatch, own).image_hosts == ()
    with pytest.raises(JobRefused):
        check_web_address("https://cdn.example.com/a.png", load(monkeypatch, own).image_hosts)
    assert load(monkeypatch, own | {"NIGHTSHIFT_IMAGE_HOSTS": "cdn.example.com"}).image_hosts == ("cdn.example.com",)
    for openais in ({}, {"OPENAI_BASE_URL": "https://api.openai.com/v1"}):
        assert load(monkeypatch, _DEPLOYED | openais).image_hosts is None


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET", "NIGHTSHIFT_MODEL"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \t", "\u2028"])
def test_a_line_end_after_a_value_is_cut_off(monkeypatch: pytest.MonkeyPatch, name: str, end: str) -> None:
    """A secret that was made from a file ends in one; the provider would refuse the key for ever."""
    clean = _DEPLOYED.get(name, "gpt-5")

    assert load(monkeypatch, _DEPLOYED | {name: f"{end}{clean}{end}"}) == load(monkeypatch, _DEPLOYED | {name: clean})


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET"])
@pytest.mark.parametrize(
    "value", ['"sk-1234"', "'sk-1234'", "sk-1\n234", "sk-12\u200b34", "sk-12\u202e34", "sk 1234", "sk-…", "<your key>"]
)
def test_a_key_that_no_provider_gives_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Quotes, blanks, invisible characters and placeholders: the start stops, not each job after six hours."""
    with pytest.raises(InvalidSettings, match=f"^{name}: [^;]*it holds [^;]*$") as refused:
        load(monkeypatch, _DEPLOYED | {name: value})

    assert "1234" not in str(refused.value)


@pytest.mark.parametrize("name", ["NIGHTSHIFT_MODEL", "NIGHTSHIFT_BUCKET", "OPENAI_BASE_URL", "GOOGLE_CLOUD_PROJECT"])
def test_an_invisible_character_in_any_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A reader would not see why the model, bucket or project of that name does not exist."""
    with pytest.raises(InvalidSettings, match=name):
        load(monkeypatch, _DEPLOYED | {name: "https://a\u200bb"})


def test_a_secret_of_blanks_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function says that it needs it, as for an empty one."""
    with pytest.raises(InvalidSettings, match="OPENAI_WEBHOOK_SECRET: this function needs it"):
        load(monkeypatch, _DEPLOYED | {"OPENAI_WEBHOOK_SECRET": " \n"})


@pytest.mark.parametrize(
    "value",
    [
        "bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ",
        "GOOG1EXAMPLEAAAAAAAAAAA:",
        "GOOG1EXAMPLEAAAAAAAAAAA:bGoa+V7g",
        "GOOG1EXAMPLE/AAAAAAAAAA:bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ",
        "AKIA1EXAMPLEAAAAAAAAAAA:bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ",
        "GOOG1EXAMPLEAAAAAAAAAAA bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_key_that_signs_no_address_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Else every image would be sent with an address that Cloud Storage refuses; without a key, IAM signs."""
    with pytest.raises(InvalidSettings, match=r"^IMAGE_SIGNING_KEY: ") as refused:
        load(monkeypatch, _DEPLOYED | {"IMAGE_SIGNING_KEY": value})

    assert value not in str(refused.value)
    good = "GOOG1EXAMPLEAAAAAAAAAAA:bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ"
    taken = load(monkeypatch, _DEPLOYED | {"IMAGE_SIGNING_KEY": f"{good}\n"})
    assert taken.image_signing_key
    assert taken.image_signing_key.get_secret_value() == good
    assert good not in repr(taken)
    assert load(monkeypatch, _DEPLOYED).image_signing_key is None
