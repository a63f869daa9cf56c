"""What a deployed function refuses to start with: settings that undo a control.

Each of them has its use on a developer's machine. In production it would send documents, keys or answers elsewhere,
or show them. So the start stops, and the message names the variable. The list is of kinds, not of the variables that
this code reads, since the libraries below it read many more by themselves.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

# Cloud Run sets it on every deployed function: https://cloud.google.com/run/docs/container-contract
_SERVICE: Final = "K_SERVICE"

# The pattern of a variable's name → why it may not be set.
_FORBIDDEN: Final = {
    r"FIREBASE_AUTH_EMULATOR_HOST": "a deployed function would accept unsigned tokens with it",
    r"\w+_EMULATOR_HOST": "a deployed function would speak to an emulator, without credentials or encryption",
    r"API_ENDPOINT_OVERRIDE|GOOGLE_CLOUD_UNIVERSE_DOMAIN": "it would send Google's calls to another server",
    r"GCE_METADATA_\w+|NO_GCE_CHECK": "the function's own credentials would come from another server",
    r"GOOGLE_APPLICATION_CREDENTIALS|CLOUDSDK_\w+": "the function has its own service account",
    r"(HTTP|HTTPS|ALL|GRPC)_PROXY": "keys and documents would pass through a proxy",
    r"SSLKEYLOGFILE": "it writes down the keys of encrypted connections",
    r"(OPENAI|ANTHROPIC)_LOG|GOOGLE_SDK_PYTHON_LOGGING_SCOPE|GRPC_TRACE": "the log would hold inputs and results",
    r"DEBUG|PYTHONASYNCIODEBUG": "errors would be shown with their text",
}
_CERTIFICATES: Final = re.compile(
    r"SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
)
# The system's own, as base images set them.
_SYSTEMS_OWN: Final = ("/etc/ssl/", "/etc/pki/", "/usr/")
# The address of a provider, or of a service beside it.
_BASE_URL: Final = re.compile(r"(?!NIGHTSHIFT_)\w+_BASE_URL")
_ENCRYPTED: Final = re.compile(r"https://[^\s/@?#]+(/[^\s?#]*)?")
_PLAIN_ORIGIN: Final = "http://"


def is_deployed(environment: Mapping[str, str]) -> bool:
    """Whether this process is a deployed function."""
    return bool(environment.get(_SERVICE))


def faults(environment: Mapping[str, str]) -> Iterator[str]:
    """What a deployed function may not be started with, each with its name; no value is shown."""
    for name, value in sorted(environment.items()):
        # Libraries read some of them in small letters, too.
        capitals = name.upper()
        if not value:
            continue
        reason = next((why for pattern, why in _FORBIDDEN.items() if re.fullmatch(pattern, capitals)), None)
        if reason:
            yield f"{name}: {reason}"
        elif _CERTIFICATES.fullmatch(capitals) and not value.startswith(_SYSTEMS_OWN):
            yield f"{name}: other authorities than the system's would be believed"
        elif _BASE_URL.fullmatch(capitals) and not _ENCRYPTED.fullmatch(value.strip()):
            yield f"{name}: must be an https address without a user name; the key and all inputs go there"
        elif capitals == "NIGHTSHIFT_DASHBOARD_ORIGIN" and value.strip().startswith(_PLAIN_ORIGIN):
            yield f"{name}: must be https; a proxy on the way could put a program into an http page"
