"""Security rules in Firestore's emulator, project by project.

To compile a file of rules takes the emulator a tenth of a second, and it does so for each project that begins. So a
test run starts it without any; a test in which clients come gives its own project the rules. Without them everybody may
do everything.
"""

import asyncio
from typing import Any

import httpx

from local.errors import StackError
from local.part import ROOT

RULES = ROOT / "firestore.rules"


async def load_rules(client: httpx.AsyncClient, firestore: str, project: str) -> None:
    """Give a project this repository's rules. Raises StackError if the compiler says anything to them."""
    rules = await asyncio.to_thread(RULES.read_text)
    if said := await put_rules(client, firestore, project, RULES.name, rules):
        raise StackError(str(said))


async def put_rules(client: httpx.AsyncClient, firestore: str, project: str, name: str, rules: str) -> dict[str, Any]:
    """Give a project of the emulator at `firestore` (HOST:PORT) these rules.

    Returns:
        What the compiler warns of; nothing, if all is well.

    Raises:
        StackError: they do not compile.
    """
    answer = await client.put(
        f"http://{firestore}/emulator/v1/projects/{project}:securityRules",
        json={"rules": {"files": [{"name": name, "content": rules}]}},
    )
    if answer.is_error:
        raise StackError(" ".join(answer.text.split()))
    said: dict[str, Any] = answer.json()
    return said
