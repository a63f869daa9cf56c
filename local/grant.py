"""Gives a user tokens on the local stack, as a shop or a reward would: wallet and ledger entry in one commit.

The functions only charge and refund. A shop that grants tokens must keep the same promise: a balance is the sum
of its ledger entries. Here it is an administrator's write ("Bearer owner" passes the emulator's rules).
"""

import httpx

from local.errors import StackError


async def grant_tokens(firestore_host: str, project: str, uid: str, amount: int, entry_id: str = "welcome") -> None:
    """Open `uid`'s wallet with `amount` tokens under the ledger entry `entry_id`.

    Raises StackError if the wallet exists already, or the emulator refuses.
    """
    documents = f"projects/{project}/databases/(default)/documents"
    tokens = {"integerValue": str(amount)}
    wallet = {"balance": tokens, "totalEarned": tokens, "totalSpent": {"integerValue": "0"}}
    entry = {"amount": tokens, "kind": {"stringValue": "grant"}}
    writes = [
        _create(f"{documents}/wallets/{uid}", wallet, time_field="updatedAt"),
        _create(f"{documents}/wallets/{uid}/ledger/{entry_id}", entry, time_field="createdAt"),
    ]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(
            f"http://{firestore_host}/v1/{documents}:commit",
            headers={"Authorization": "Bearer owner"},
            json={"writes": writes},
        )
    if answer.is_error:
        raise StackError(f"{uid} could not be granted {amount} tokens: {answer.text.strip()}")


def _create(name: str, fields: dict[str, dict[str, str]], *, time_field: str) -> dict[str, object]:
    return {
        "update": {"name": name, "fields": fields},
        "updateTransforms": [{"fieldPath": time_field, "setToServerValue": "REQUEST_TIME"}],
        "currentDocument": {"exists": False},
    }
