"""The settings that a deployment gives the functions.

They live in `deploy/settings/PROJECT.env`, `NAME=value` a line, and are committed: nothing about production may live in
a person's memory, or in a terminal that has been closed since. So a `NIGHTSHIFT_…` variable in the caller's environment
is refused, not taken.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from deploy.choices import PREFIX, Choices, choices_of
from deploy.errors import DeployError
from nightshift import settings
from nightshift.errors import InvalidSettings
from nightshift.functions import EVENT_SECONDS, FUNCTIONS, PROVIDERS, SECRETS
from nightshift.job_types import registered
from nightshift.settings import Settings

_ADDRESSES: Final = tuple(f"{provider.upper()}_BASE_URL" for provider in PROVIDERS)
# The password is a secret.
_MAIL: Final = ("SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_FROM")
# Stands in for a secret that is in Secret Manager already, where the settings are looked at as a whole.
_KEPT_ELSEWHERE: Final = "whsec_a2VwdC1pbi1zZWNyZXQtbWFuYWdlci1oZXJl"

# A tick looks at its budget between two steps.
_A_LAST_STEP_SECONDS: Final = 30


def read_settings(path: Path) -> dict[str, str]:
    """The file's variables; none if there is no file.

    Raises:
        DeployError: a line is no setting, or a secret.
    """
    if not path.exists():
        return {}
    variables = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not _is_setting(name.strip()):
            raise DeployError(
                f"{path}, line {number}: only NIGHTSHIFT_…, …_BASE_URL of a provider, {', '.join(_MAIL)} and DEPLOY_… "
                "are set there."
            )
        variables[name.strip()] = value.strip()
    return variables


def _is_setting(name: str) -> bool:
    return name.startswith(("NIGHTSHIFT_", PREFIX)) or name in _ADDRESSES or name in _MAIL


def divided(variables: Mapping[str, str]) -> tuple[dict[str, str], Choices]:
    """What the functions are given, and what is about the deployment itself. Raises DeployError."""
    ours = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    return {name: value for name, value in variables.items() if name not in ours}, choices_of(ours)


def given_secrets(caller: Mapping[str, str]) -> dict[str, SecretStr]:
    """The values that the caller's environment gives, by the secret's name."""
    return {
        secret: SecretStr(caller[variable].strip())
        for secret, variable in SECRETS.items()
        if caller.get(variable, "").strip()
    }


def check_settings(
    project: str, variables: Mapping[str, str], secrets: Mapping[str, SecretStr], caller: Mapping[str, str]
) -> Settings:
    """The settings as the functions will read them, by the very code that reads them at their start.

    Raises:
        DeployError: one is wrong, and is named.
    """
    elsewhere = sorted(name for name in caller if name.startswith("NIGHTSHIFT_"))
    if elsewhere:
        raise DeployError(
            f"{', '.join(elsewhere)}: the settings of a deployment stand in deploy/settings/{project}.env."
        )
    environment = {
        variable: secrets[secret].get_secret_value() if secret in secrets else _KEPT_ELSEWHERE
        for secret, variable in SECRETS.items()
    }
    for function in FUNCTIONS:
        as_started = {
            "GOOGLE_CLOUD_PROJECT": project,
            "FUNCTION_TARGET": function.target,
            "K_SERVICE": function.service,
        }
        try:
            with _environment(environment | dict(variables) | as_started):
                checked = settings.load()
        except InvalidSettings as invalid:
            raise DeployError(f"{function.name} would not start: {invalid}.") from None
    if checked.tick_seconds > EVENT_SECONDS - _A_LAST_STEP_SECONDS:
        raise DeployError(f"NIGHTSHIFT_TICK_SECONDS: a function of events is ended after {EVENT_SECONDS} s.")
    if unknown := sorted(set(checked.models or ()) - registered().keys()):
        raise DeployError(f"NIGHTSHIFT_MODELS: there is no job type {', '.join(unknown)}.")
    return checked


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables and no others, as in a deployed function."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
