"""A world whose users hear of their answers: accounts, a real mail server, and a server that speaks FCM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from local.firebase.auth_routes import AuthRoutes
from local.messages.mailbox import MailServer, serving_mail
from local.messages.push_server import PushServer
from local.serve import serving
from tests.support.patience import PATIENCE_SECONDS
from tests.support.world import World


class Messages:
    """What is sent in a world, and how Alice asks for it."""

    def __init__(self, world: World, mailbox: MailServer, pushes: PushServer, auth: str) -> None:
        self.world = world
        self.mailbox = mailbox
        self.push_server = pushes
        self._auth = auth

    async def user(self, **changes: Any) -> None:
        """Alice, with an account, tokens, and the wish to hear by e-mail."""
        account = {"localId": "alice", "email": "alice@example.com", "emailVerified": True, "password": "secret1"}
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(
                f"http://{self._auth}/identitytoolkit.googleapis.com/v1/projects/{self.world.project}/accounts",
                headers={"Authorization": "Bearer owner"},
                json=account | changes,
            )
            answer.raise_for_status()
        await self.world.give("alice", 100)
        await self.wants(email=True)

    async def wants(self, **preferences: Any) -> None:
        """What Alice writes into her preferences."""
        await self.world.firestore.document("preferences/alice").set(preferences)

    async def device(self, token: str) -> None:
        """A phone of Alice's."""
        fields = {"token": token, "updatedAt": self.world.now()}
        await self.world.firestore.document(f"devices/alice/tokens/{token}").set(fields)

    async def ended(self, **fields: Any) -> str:
        """A job of Alice's that was answered at once; its message waits."""
        job_id = await self.world.submit("alice", **{"speed": "instant", **fields})
        message_id = f"{job_id}.job_{(await self.world.job(job_id))['status']}"
        assert (await self.world.read(f"outbox/{message_id}"))["status"] == "waiting"
        return message_id

    async def deliver(self, message_id: str) -> int:
        """Deliver the event of a message's creation; returns the function's status code."""
        created = "google.cloud.firestore.document.v1.created"
        return await self.world.event("deliver_notification", created, {"ce-document": f"outbox/{message_id}"})

    async def statuses(self) -> list[str]:
        """What became of all messages."""
        return sorted(message["status"] for message in (await self.world.documents("outbox")).values())

    def ends_told(self) -> tuple[int, int]:
        """Of how many ends the mails tell, and the pushes."""
        subjects = [str(mail["Subject"]) for mail in self.mailbox.mails]
        titles = [push["notification"]["title"] for push in self.push_server.pushes]
        mailed, pushed = (sum(_ends(line) for line in lines) for lines in (subjects, titles))
        return mailed, pushed


def _ends(line: str) -> int:
    """A message that tells of several ends begins with their number."""
    number = line.partition(" requests have ended")[0]
    return int(number) if number.isdigit() else 1


@asynccontextmanager
async def telling(world: World) -> AsyncIterator[Messages]:
    """The world's servers of mail, push and accounts."""
    mailbox, pushes = MailServer(), PushServer()
    accounts = AuthRoutes(world.project).app
    async with serving_mail(mailbox) as port, serving(pushes.app) as fcm, serving(accounts) as auth:
        world.set_env(
            FIREBASE_AUTH_EMULATOR_HOST=auth,
            FCM_EMULATOR_HOST=fcm,
            NIGHTSHIFT_MAIL="smtp",
            NIGHTSHIFT_PUSH="true",
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(port),
            SMTP_FROM="Nightshift <answers@example.com>",
            NIGHTSHIFT_DASHBOARD_ORIGIN="https://app.example.com",
        )
        yield Messages(world, mailbox, pushes, auth)
