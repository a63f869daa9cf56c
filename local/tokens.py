"""Firebase ID tokens for the local stack: unsigned, as the emulators and firebase-admin accept them there.

A token is the three-part JWT that the app's SDK would send, with `alg: none` and an empty signature. The
claims are those of a real one (https://firebase.google.com/docs/auth/admin/verify-id-tokens), so that
everything but the signature is checked.
"""

import base64
import json
import time

LIFETIME_SECONDS = 3600


def unsigned_token(project: str, uid: str, **claims: object) -> str:
    """A token that says "I am `uid`" to the emulators of `project`; `claims` adds some, as `admin=True`.

    It expires after an hour, like Firebase's own; `exp=` makes it live longer.
    """
    now = int(time.time())
    payload: dict[str, object] = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "sub": uid,
        "user_id": uid,
        "auth_time": now,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "firebase": {"identities": {}, "sign_in_provider": "custom"},
        **claims,
    }
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(payload)}."


def _segment(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()
