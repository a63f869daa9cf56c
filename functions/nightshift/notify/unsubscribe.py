"""Takes a user's address off, by the key that stands in each mail to the user."""

import hmac

from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.notify.outbox import digest_ref
from nightshift.notify.preferences import preferences_ref
from nightshift.runtime import Runtime


async def unsubscribe(runtime: Runtime, user_id: str, key: str) -> bool:
    """Turn e-mail off in the user's preferences; returns whether the key is the user's. Raises TryLater."""
    snapshot = await digest_ref(runtime, user_id).get(**READ)
    kept = (snapshot.to_dict() or {}).get("unsubscribeKey")
    if not isinstance(kept, str) or not hmac.compare_digest(kept.encode(), key.encode()):
        return False
    async for _ in attempts():
        commit = Commit(runtime)
        commit.merge(preferences_ref(runtime, user_id), {"email": False})
        try:
            await commit.send()
        except Undecided:
            continue
        break
    return True
