"""What another provider says of a user: the fake ID tokens that Firebase's own Auth emulator takes, too."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from local.firebase.errors import FirebaseError


def provider_and_claims(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The provider's id, and the claims of the ID token that the app got from it.

    The token is a JWT, whose signature is not checked, or a JSON object, as `{"sub": "1", "email": "a@example.com"}`.
    Raises FirebaseError without one.
    """
    sent = parse_qs(str(body.get("postBody", ""))) | parse_qs(urlsplit(str(body.get("requestUri", ""))).query)
    provider = sent.get("providerId", [""])[0].lower()
    if not provider:
        raise FirebaseError("INVALID_CREDENTIAL_OR_PROVIDER_ID : the provider's id is missing")
    token = sent.get("id_token", [""])[0]
    if not token:
        raise FirebaseError(f"The local stack signs in with {provider} by an id_token alone.", 501)
    claims = _claims(token)
    if not claims.get("sub"):
        raise FirebaseError("INVALID_IDP_RESPONSE : the id_token has no sub")
    return provider, claims


def _claims(token: str) -> dict[str, Any]:
    try:
        found = json.loads(token) if token.lstrip().startswith("{") else _payload(token)
    except (ValueError, jwt.PyJWTError):
        raise FirebaseError("INVALID_IDP_RESPONSE : the id_token is neither a JWT nor a JSON object") from None
    return dict(found)


def _payload(token: str) -> dict[str, Any]:
    payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return payload


def custom_claims(token: object) -> dict[str, Any]:
    """The claims of a custom token: `uid`, and perhaps `claims`. Raises FirebaseError."""
    if not isinstance(token, str) or not token:
        raise FirebaseError("MISSING_CUSTOM_TOKEN")
    try:
        claims = json.loads(token) if token.lstrip().startswith("{") else _payload(token)
    except (ValueError, jwt.PyJWTError):
        raise FirebaseError("INVALID_CUSTOM_TOKEN : the token is neither a JWT nor a JSON object") from None
    if not claims.get("uid"):
        raise FirebaseError("MISSING_IDENTIFIER")
    return dict(claims)
