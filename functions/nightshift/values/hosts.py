"""Host names: which are public, and which a setting lists."""

import re
from ipaddress import IPv4Address
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOP_LEVEL: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
# Names that no public DNS answers: https://www.iana.org/assignments/special-use-domain-names, and those that private
# networks use all the same (RFC 6762, appendix G).
_NOT_PUBLIC: Final = frozenset(
    {
        *("alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"),
        *("corp", "home", "intranet", "lan", "localdomain", "private"),
        # Names that a cluster's own resolver answers: Kubernetes, Consul, Docker, Nomad, Mesos.
        *("cluster", "compute", "consul", "container", "default", "docker", "kubernetes", "marathon", "mesos"),
        *("namespace", "node", "nomad", "pod", "server", "service", "svc", "swarm", "vm", "weave"),
    }
)
# Public names that lead into the network of the server which looks them up: those under which a cloud's machines find
# their own credentials, and those that stand for whatever address is spelt in them, or for the machine itself.
_LEAD_INSIDE: Final = (
    *("metadata.goog", "metadata.tencentyun.com", "metadata.platformequinix.com"),
    *("nip.io", "sslip.io", "xip.io", "xip.name", "ip.name", "traefik.me", "backname.io", "1u.ms", "rbndr.us"),
    *("localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "lvh.io", "local.gd", "localho.st", "fuf.me"),
    *("smackaho.st", "42foo.com"),
)
# An IPv4 address spelt in a name, as in `www.10-0-0-1.example.com`: most likely a wildcard that leads there.
_SPELT_ADDRESS: Final = re.compile(r"(?<![a-z0-9])(?:\d{1,3}[.-]){3}\d{1,3}(?![a-z0-9])")


def parse_hosts(listed: str) -> tuple[str, ...]:
    """Read a list of hosts, `cdn.example.com, *.example.org`; a name with a dot before it stands for its subdomains.

    Raises:
        ValueError: one of them is no public host name.
    """
    hosts = [host.strip().lower() for host in listed.split(",")]
    hosts = [host.removeprefix("*") if host.startswith("*.") else host for host in hosts]
    if not all(is_public(host.removeprefix(".")) for host in hosts):
        raise ValueError("each host must be a public name in ASCII, such as cdn.example.com or *.example.com")
    return tuple(hosts)


def is_public(host: str) -> bool:
    labels = host.split(".")
    return (
        len(labels) > 1
        and len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and bool(_TOP_LEVEL.fullmatch(labels[-1]))
        and labels[-1] not in _NOT_PUBLIC
        and not any(_leads_inside(spelt) for spelt in _SPELT_ADDRESS.findall(host))
        and not any(covers(name, host) or covers(f".{name}", host) for name in _LEAD_INSIDE)
    )


def _leads_inside(spelt: str) -> bool:
    try:
        return not IPv4Address(spelt.replace("-", ".")).is_global
    except ValueError:
        return False


def covers(listed: str, host: str) -> bool:
    return host.endswith(listed) if listed.startswith(".") else host == listed
