"""The two ways in which Firebase's SDKs upload: everything in one request, or in pieces that may be resumed."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from python_multipart.multipart import MultipartParser, parse_options_header

from local.firebase.errors import FirebaseError


@dataclass
class Upload:
    """One upload on its way."""

    bucket: str
    name: str
    properties: dict[str, Any]
    # Of the request that began it: what it says counts when the upload ends.
    authorization: str | None
    content: bytearray = field(default_factory=bytearray)


class Uploads:
    """The uploads in pieces, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Upload] = {}

    def begin(self, upload: Upload) -> str:
        """Remember an upload; returns its id."""
        upload_id = secrets.token_urlsafe(24)
        self._by_id[upload_id] = upload
        return upload_id

    def find(self, upload_id: str) -> Upload:
        """An upload that was begun. Raises FirebaseError."""
        upload = self._by_id.get(upload_id)
        if upload is None:
            raise FirebaseError("There is no such upload.", 404)
        return upload

    def end(self, upload_id: str) -> Upload:
        """The upload has all its bytes, or was called off. Raises FirebaseError."""
        return self.find(upload_id) and self._by_id.pop(upload_id)


def both_parts(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The properties and the content of an upload in one request (multipart/related).

    Raises FirebaseError if it is not made of these two.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise FirebaseError("The upload names no boundary.")
    parts: list[bytearray] = []
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": lambda: parts.append(bytearray()),
            "on_part_data": lambda data, start, end: parts[-1].extend(data[start:end]),
        },
    )
    try:
        parser.write(body)
        parser.finalize()
        properties = json.loads(parts[0])
        return dict(properties), bytes(parts[1])
    except (ValueError, IndexError, TypeError) as error:
        raise FirebaseError(f"The upload cannot be read: {error}") from None
