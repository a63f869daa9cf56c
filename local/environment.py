"""What the processes of the stack see of the caller's environment.

A function that finds a variable here which it would not have when deployed works here and fails there. So
each process gets the little that any process needs on this computer, and the
settings that the README lists; nothing leaks in.
"""

from collections.abc import Mapping

_BASICS = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
)
_OWN = "NIGHTSHIFT_"


def basic_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """What any process needs: where programs are, the language, certificates and proxies.

    A proxy is never asked for an address on this computer.
    """
    kept = {name: caller[name] for name in _BASICS if name in caller}
    past_proxies = ",".join(filter(None, (caller.get("NO_PROXY") or caller.get("no_proxy"), "127.0.0.1,localhost")))
    return kept | {"NO_PROXY": past_proxies, "no_proxy": past_proxies, "PYTHONUNBUFFERED": "1"}


def own_settings(caller: Mapping[str, str]) -> dict[str, str]:
    """The functions' settings that the caller has set."""
    return {name: value for name, value in caller.items() if name.startswith(_OWN)}


def bucket_names(project: str, settings: Mapping[str, str]) -> tuple[str, str]:
    """The buckets of batches and of uploads, by the settings' names or their defaults."""
    return (
        settings.get("NIGHTSHIFT_BUCKET") or f"{project}-nightshift",
        settings.get("NIGHTSHIFT_UPLOADS_BUCKET") or f"{project}.firebasestorage.app",
    )
