"""Both servers on their ports, inside the stack's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.messages.mailbox import MailServer, serving_mail
from local.messages.push_server import PushServer
from local.ports import HOST, free_ports
from local.serve import serving


@dataclass(frozen=True, kw_only=True)
class MessageAddresses:
    """Where the functions find both."""

    smtp_port: int
    fcm_port: int

    @classmethod
    def choose(cls) -> "MessageAddresses":
        """Free ports."""
        smtp, fcm = free_ports(2)
        return cls(smtp_port=smtp, fcm_port=fcm)

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which the functions send to them."""
        return {
            "NIGHTSHIFT_MAIL": "smtp",
            "NIGHTSHIFT_PUSH": "true",
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self.smtp_port),
            "SMTP_FROM": "Nightshift <answers@example.com>",
            "FCM_EMULATOR_HOST": f"{HOST}:{self.fcm_port}",
        }


@asynccontextmanager
async def running_messages(
    addresses: MessageAddresses, directory: Path, say: Callable[[str], None]
) -> AsyncIterator[tuple[MailServer, PushServer]]:
    """Serve both; each mail is written into the directory."""
    mailbox, pushes = MailServer(directory=directory, say=say), PushServer(say=say)
    async with serving_mail(mailbox, addresses.smtp_port), serving(pushes.app, HOST, addresses.fcm_port):
        yield mailbox, pushes
