"""Every setting, read from the environment and validated in one place.

A wrong setting stops the start with a sentence that names it. So does an unknown `NIGHTSHIFT_…` variable, since it
is most likely a misspelt one. Names, defaults and meanings are those of docs/SETTINGS.md.

Blanks and line ends around a value are cut off: files and secrets often end in one. Any other invisible character is
refused, since a key that holds one is refused by its provider for ever.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from nightshift import deployed
from nightshift.errors import InvalidSettings
from nightshift.functions import IMAGE_KEY_VARIABLE, PROVIDERS, SECRETS, WEBHOOK_SECRET, needed_by
from nightshift.values.hosts import parse_hosts
from nightshift.values.model_name import ModelName
from nightshift.values.models_by_type import parse_models
from nightshift.values.submit_window import SubmitWindow, parse_window

_PREFIX = "NIGHTSHIFT_"
# https://cloud.google.com/storage/docs/buckets#naming; empty for the default.
_BUCKET = r"^([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])?$"
# As browsers send it: https://fetch.spec.whatwg.org/#origin-header. Neither `*` nor `null` is one.
_ORIGIN = r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$"
# https://www.standardwebhooks.com: the prefix, then the key in base64.
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: 24 to 64 bytes.
_LEAST_SECRET_BYTES = 24
# The providers' own servers, which reach no private network of ours.
_OWN_SERVERS = {
    "openai": "https://api.openai.com/",
    "anthropic": "https://api.anthropic.com/",
    "gemini": "https://generativelanguage.googleapis.com/",
    "groq": "https://api.groq.com/",
    "xai": "https://api.x.ai/",
}
_ADDRESS = r"^https?://[^\s]+$"
_QUOTES = frozenset("\"'`<>")
# https://cloud.google.com/storage/docs/authentication/hmackeys: the access id, a colon, and the secret in base64.
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_HMAC_KEY = re.compile(r"GOOG[0-9A-Z]{16,96}:[0-9A-Za-z+/]{39,}={0,2}")


def _cleaned(value: Any) -> Any:
    """A value without blanks and line ends around it; None if that is all of it.

    Raises:
        ValueError: an invisible character is in it.
    """
    if not isinstance(value, str) or not value:
        return value
    if not (cleaned := value.strip()).isprintable():
        raise ValueError("it holds a line end, or another invisible character")
    return cleaned or None


def _key(value: Any) -> Any:
    """A key of plain visible characters. Raises ValueError for quotes, brackets, blanks and all that is not ASCII."""
    if not isinstance(value, str):
        return value
    if not all("!" <= letter <= "~" and letter not in _QUOTES for letter in value):
        raise ValueError("it holds quotes, brackets, blanks, or characters that no key has")
    return value


def _model(name: Any) -> Any:
    """A model's name as it is given. Raises ValueError for an unknown provider."""
    if isinstance(name, str):
        ModelName.parse(name)
    return name


def _hmac_key(value: Any) -> Any:
    """An HMAC key of Cloud Storage. Raises ValueError for anything else."""
    if not isinstance(value, str) or _HMAC_KEY.fullmatch(value):
        return value
    raise ValueError("it is not ACCESS_ID:SECRET of an HMAC key of Cloud Storage")


def _sender(value: Any) -> Any:
    """A sender's address, with a name or without one. Raises ValueError for anything else."""
    if not isinstance(value, str):
        return value
    address = parseaddr(value)[1]
    local, _, domain = address.rpartition("@")
    if not local or not _DOMAIN.fullmatch(domain) or value.count("@") != 1:
        raise ValueError("it is no e-mail address, as answers@example.com or Nightshift <answers@example.com>")
    return value


Key = Annotated[SecretStr, BeforeValidator(_key)]
HmacKey = Annotated[SecretStr, BeforeValidator(_hmac_key)]
Model = Annotated[str, BeforeValidator(_model)]


@dataclass(frozen=True, kw_only=True)
class Access:
    """What opens a provider's API."""

    api_key: str = field(repr=False)
    # None = its own.
    base_url: str | None
    # The project whose stamp its batches bear.
    project: str


class Settings(BaseSettings):
    """The environment of one function. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, env_ignore_empty=True)

    project: str = Field(validation_alias=AliasChoices("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"), min_length=1)
    # Of each provider its key and its address, as `access_to` finds them.
    openai_api_key: Key | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL", pattern=_ADDRESS)
    anthropic_api_key: Key | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str | None = Field(None, validation_alias="ANTHROPIC_BASE_URL", pattern=_ADDRESS)
    gemini_api_key: Key | None = Field(None, validation_alias="GEMINI_API_KEY")
    gemini_base_url: str | None = Field(None, validation_alias="GEMINI_BASE_URL", pattern=_ADDRESS)
    groq_api_key: Key | None = Field(None, validation_alias="GROQ_API_KEY")
    groq_base_url: str | None = Field(None, validation_alias="GROQ_BASE_URL", pattern=_ADDRESS)
    xai_api_key: Key | None = Field(None, validation_alias="XAI_API_KEY")
    xai_base_url: str | None = Field(None, validation_alias="XAI_BASE_URL", pattern=_ADDRESS)
    openai_webhook_secret: Key | None = Field(None, validation_alias="OPENAI_WEBHOOK_SECRET")
    # Signs images' addresses; None to sign them through IAM.
    image_signing_key: HmacKey | None = Field(None, validation_alias=IMAGE_KEY_VARIABLE)
    storage_emulator: str | None = Field(None, validation_alias="STORAGE_EMULATOR_HOST")
    pubsub_emulator: str | None = Field(None, validation_alias="PUBSUB_EMULATOR_HOST")
    auth_emulator: str | None = Field(None, validation_alias="FIREBASE_AUTH_EMULATOR_HOST")
    # Where pushes go instead of Firebase Cloud Messaging. Only the local stack has such a server.
    fcm_emulator: str | None = Field(None, validation_alias="FCM_EMULATOR_HOST")
    smtp_host: str | None = Field(None, validation_alias="SMTP_HOST", pattern=r"^[A-Za-z0-9.:-]+$")
    smtp_port: int = Field(587, validation_alias="SMTP_PORT", ge=1, le=65_535)
    smtp_user: str | None = Field(None, validation_alias="SMTP_USER")
    smtp_password: SecretStr | None = Field(None, validation_alias="SMTP_PASSWORD")
    # As `Nightshift <answers@example.com>`, or the address alone.
    smtp_from: Annotated[str, BeforeValidator(_sender)] | None = Field(None, validation_alias="SMTP_FROM")
    # functions-framework sets it to what it serves: https://github.com/GoogleCloudPlatform/functions-framework-python
    target: str | None = Field(None, validation_alias="FUNCTION_TARGET")
    # Cloud Run sets it on every deployed function: https://cloud.google.com/run/docs/container-contract
    deployed_service: str | None = Field(None, validation_alias="K_SERVICE")

    bucket: str = Field("", pattern=_BUCKET)
    uploads_bucket: str = Field("", pattern=_BUCKET)
    # None for any public host.
    image_hosts: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(parse_hosts)] = Field(
        None, validate_default=False
    )
    model: Model = Field("gpt-5-mini", min_length=1)
    # Job type → its model, whatever its file says; None = for none.
    models: Annotated[Mapping[str, str] | None, NoDecode, BeforeValidator(parse_models)] = Field(
        None, validate_default=False
    )
    # To which a late or broken lane's jobs are moved; None = never.
    fallback_model: Model | None = None
    coalesce_seconds: float = Field(15, ge=0)
    max_batch_requests: int = Field(50_000, ge=1, le=50_000)
    max_batch_bytes: int = Field(200_000_000, ge=1, le=200_000_000)
    max_enqueued_tokens: int = Field(0, ge=0)
    max_attempts: int = Field(3, ge=1)
    max_jobs_per_day: int = Field(50_000, ge=0)
    max_jobs_in_flight: int = Field(20_000, ge=0)
    # Per user, in US dollars: what answers may cost us in a day for which the user paid nothing in the end.
    max_failed_usd_per_day: float = Field(0.5, ge=0, allow_inf_nan=False)
    min_deadline_seconds: float = Field(3600, ge=0, le=604_800)
    # What an alert is opened for: a share of failures, a wait of a queued job, an age of a batch; 0 = never.
    alert_failure_rate: float = Field(0.1, ge=0, le=1)
    alert_backlog_seconds: float = Field(3600, ge=0)
    alert_batch_seconds: float = Field(93_600, ge=0)
    # The admin who is notified of alerts; None = none is.
    alerts_to: str | None = Field(None, min_length=1, max_length=128, pattern=r"^[^/]+$")
    # None = at any time.
    submit_at: Annotated[SubmitWindow | None, NoDecode, BeforeValidator(parse_window)] = Field(
        None, validate_default=False
    )
    daily_budget_usd: float = Field(0, ge=0, allow_inf_nan=False)
    # Of a day's budget one user's; 1 = all of it. So few users have spent theirs that a query can leave them out.
    max_user_budget_share: float = Field(0.25, ge=0.1, le=1)
    lease_seconds: float = Field(120, gt=0)
    # Of one call in real time, at least; where a lane's answers take longer, its calls may.
    answer_seconds: float = Field(60, gt=0, le=300)
    # Of an instance, in one lane, before anything is known of it.
    first_calls: int = Field(4, ge=1, le=256)
    rescue_seconds: float = Field(120, ge=0)
    shard_lines: int = Field(2000, ge=1)
    tick_seconds: float = Field(480, gt=0)
    part_items: int = Field(2000, ge=1, le=50_000)
    max_parts_in_flight: int = Field(10, ge=1, le=100)
    bulk_threshold: int = Field(100, ge=0)
    max_bulk_items: int = Field(50_000, ge=1, le=10_000_000)
    max_open_bulk_jobs: int = Field(3, ge=0)
    keep_jobs_days: int = Field(365, ge=0, le=36_500)
    keep_refused_days: int = Field(7, ge=0, le=36_500)
    keep_batches_days: int = Field(365, ge=0, le=36_500)
    keep_notifications_days: int = Field(90, ge=0, le=36_500)
    # Whether users earn tokens.
    economy: bool = False
    # By which way e-mail goes out: our own sender, another one that reads `mail/{id}`, or none.
    mail: Literal["smtp", "external", "off"] = "off"
    push: bool = False
    stats_public: bool = False
    # Per user, at one instance of the API.
    api_requests_per_minute: int = Field(120, ge=0, le=100_000)
    app_check: bool = False
    dashboard_origin: str | None = Field(None, pattern=_ORIGIN)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given, and the environment. To look through files as well would take as long again."""
        return init_settings, env_settings

    @field_validator("*", mode="before")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        return _cleaned(value)

    def model_post_init(self, _: Any) -> None:
        """Fill in what follows from other settings."""
        object.__setattr__(self, "bucket", self.bucket or f"{self.project}-nightshift")
        object.__setattr__(self, "uploads_bucket", self.uploads_bucket or f"{self.project}.firebasestorage.app")
        # A server of one's own may reach names that only its network answers: there only listed hosts are accepted.
        if self.image_hosts is None and self.deployed_service and not self._asks_providers_themselves():
            object.__setattr__(self, "image_hosts", ())

    def access_to(self, provider: str) -> "Access | None":
        """What opens a provider's API; None without a key."""
        key: SecretStr | None = getattr(self, f"{provider}_api_key")
        if key is None:
            return None
        base_url: str | None = getattr(self, f"{provider}_base_url")
        return Access(api_key=key.get_secret_value(), base_url=base_url, project=self.project)

    def model_of(self, job_type: str, own: str | None) -> str:
        """The model of a job type, as `[provider:]model`; `own` is the one in its file."""
        return (self.models or {}).get(job_type) or own or self.model

    def _asks_providers_themselves(self) -> bool:
        named = {provider: getattr(self, f"{provider}_base_url") for provider in PROVIDERS}
        return all(url is None or f"{url}/".startswith(_OWN_SERVERS[provider]) for provider, url in named.items())


def load() -> Settings:
    """Read the environment of the function that is being started.

    Raises:
        InvalidSettings: names each variable that is missing, malformed, unknown or forbidden.
    """
    known = {_PREFIX + name.upper() for name, field in Settings.model_fields.items() if not field.validation_alias}
    faults = [
        f"{name} is not a setting of Nightshift"
        for name in sorted(os.environ)
        if name.upper().startswith(_PREFIX) and name not in known
    ]
    settings = None
    try:
        settings = Settings()
    except ValidationError as invalid:
        # Neither the value nor pydantic's own text is shown: either could hold a key.
        faults += [f"{_variable(error['loc'])}: {error['msg']}" for error in invalid.errors(include_input=False)]
    if settings:
        faults += _faults_of_secrets(settings)
        faults += _faults_of_mail(settings)
    if deployed.is_deployed(os.environ):
        faults += deployed.faults(os.environ)
    if faults or settings is None:
        raise InvalidSettings("; ".join(faults))
    return settings


def _faults_of_secrets(settings: Settings) -> list[str]:
    """What is wrong with the secrets that the table of functions gives this one."""
    given = {name: getattr(settings, name.lower()) for name in SECRETS.values()}
    needed = needed_by(settings.target, ModelName.parse(settings.model).provider)
    faults = [f"{name}: this function needs it" for name in needed if given[name] is None]
    signs = SECRETS[WEBHOOK_SECRET]
    if signs in needed and given[signs]:
        bytes_of_key = _signing_key(given[signs].get_secret_value())
        # With an empty key, every caller could sign.
        if not bytes_of_key:
            faults.append(f"{signs}: after {_SECRET_PREFIX} it is no base64")
        elif settings.deployed_service and len(bytes_of_key) < _LEAST_SECRET_BYTES:
            faults.append(f"{signs}: a key of fewer than {_LEAST_SECRET_BYTES} bytes can be guessed")
    return faults


def _faults_of_mail(settings: Settings) -> list[str]:
    """What our own sender of e-mail needs and has not."""
    if settings.mail != "smtp":
        return []
    needed = {"SMTP_HOST": settings.smtp_host, "SMTP_FROM": settings.smtp_from}
    return [f"{name}: NIGHTSHIFT_MAIL=smtp needs it" for name, given in needed.items() if given is None]


def _signing_key(secret: str) -> bytes:
    """The key by which signatures are checked; empty if the secret has no key."""
    # The SDK takes a secret without the prefix as it is.
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    except ValueError:
        return b""


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else _PREFIX + name.upper()
