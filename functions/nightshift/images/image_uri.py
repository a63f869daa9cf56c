"""An imageUri: what a client may name, judged by its text alone.

A `gs://` address is compared as it stands, character by character: nothing in it is decoded, resolved or normalized, so
it can name one object only, and that one lies in the user's own folder. What a reader further on might decode or
resolve (percent-encoding, dot segments, a generation after `#`) is refused. So is what no person can see.

An `https` address is fetched by the provider, never by us. Two readers of one address may disagree on its host
(`https://a.example\\@b.example`), so it is not parsed leniently and then checked: it must be spelt in the plain part of
RFC 3986 on which all readers agree, in ASCII. Then its host must be a public DNS name. Its last label has to hold
letters only, or begin with `xn--`, which no form of an IP address does
(https://url.spec.whatwg.org/#ends-in-a-number-checker). To what the name resolves is the provider's to know.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from nightshift.errors import JobRefused
from nightshift.values.hosts import covers, is_public
from nightshift.values.texts import Text

# https://cloud.google.com/storage/docs/objects#naming
_LONGEST_NAME_BYTES: Final = 1024
# Persian and the scripts of India are spelt with these two; all other format characters are invisible and needless.
_JOINERS: Final = "\u200c\u200d"
_DECODED_BY_SOME: Final = frozenset("%\\?#")
_LONGEST_WEB_ADDRESS: Final = 2_000
_WEB_ADDRESS: Final = re.compile(
    r"https://(?P<host>[A-Za-z0-9.-]{1,253})(?::443)?"
    r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
    r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)


def is_web_address(uri: str) -> bool:
    """Whether it is an https address and not one of an upload. Raises JobRefused if it is neither."""
    if not uri.startswith(("gs://", "https://")):
        raise JobRefused(
            "invalid_input", Text.PHOTO_ADDRESS.say(), "the imageUri begins with neither gs:// nor https://"
        )
    return uri.startswith("https://")


def check_web_address(uri: str, hosts: Sequence[str] | None) -> None:
    """Check that an https address may be passed on to the provider.

    Args:
        hosts: what `parse_hosts` gives, if only these are allowed.

    Raises:
        JobRefused: invalid_input.
    """
    address = _WEB_ADDRESS.fullmatch(uri) if len(uri) <= _LONGEST_WEB_ADDRESS else None
    if address is None:
        raise JobRefused(
            "invalid_input",
            Text.PHOTO_ADDRESS.say(),
            "the imageUri is no plain https address: no user name, no port, no fragment, "
            f"percent-encoded where it is not ASCII, and of at most {_LONGEST_WEB_ADDRESS} characters",
        )
    host = address["host"].lower()
    if not is_public(host):
        raise JobRefused("invalid_input", Text.PHOTO_ADDRESS.say(), "the host of the imageUri is no public name")
    if hosts is not None and not any(covers(listed, host) for listed in hosts):
        raise JobRefused(
            "invalid_input", Text.PHOTO_HOST.say(), "the host of the imageUri is not in NIGHTSHIFT_IMAGE_HOSTS"
        )


def own_object(uri: str, bucket: str, user_id: str) -> str:
    """The name of the user's own object in the uploads bucket that a `gs://` address names.

    Raises:
        JobRefused: forbidden_image when it could name anything else; invalid_input when no object can have the name.
    """
    prefix = f"gs://{bucket}/"
    name = uri.removeprefix(prefix)
    if len(name.encode(errors="replace")) > _LONGEST_NAME_BYTES:
        raise missing()
    dots = any(part in {"", ".", ".."} for part in name.split("/"))
    unseen = not all(_is_seen(character) for character in name)
    if not uri.startswith(prefix + f"users/{user_id}/") or dots or unseen or _DECODED_BY_SOME & set(name):
        raise JobRefused(
            "forbidden_image",
            Text.PHOTO_NOT_OWN.say(),
            r"the imageUri names no upload of the user's; it is taken as it stands, and may not hold %, \, ? or #",
        )
    return name


def missing() -> JobRefused:
    """The refusal of an image that does not exist."""
    return JobRefused("invalid_input", Text.PHOTO_MISSING.say(), "no such object; upload it before the job is written")


def _is_seen(character: str) -> bool:
    """Whether it is printed, or a space of any kind: some systems put a narrow one into a screenshot's name."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
