"""The demo's night in the dashboard: where it is, and as whom one signs in."""

from rich.console import Console

from local.stack import Stack

PASSWORD = "nightshift"  # noqa: S105 - of two users of a local stack
_ADMIN = "admin"


def show_address(console: Console, stack: Stack, uid: str) -> None:
    """Let an admin and this user sign in, and say where."""
    _let_in(stack, _ADMIN, customAttributes='{"admin": true}')
    _let_in(stack, uid)
    console.print(f"\nLook at the night: {stack.dashboard_url}", highlight=False)
    console.print(f"  as {_ADMIN}@example.com or {uid}@example.com, password {PASSWORD}", highlight=False)


async def stay(console: Console, stack: Stack) -> None:
    """Keep the stack until Ctrl-C, for a person who looks at the dashboard."""
    console.print(f"\nThe dashboard stays at {stack.dashboard_url}; Ctrl-C ends it.", highlight=False)
    console.print("  A tick counts what has ended after two minutes: then today's sums are there.", highlight=False)
    await stack.failure()


def _let_in(stack: Stack, uid: str, **more: str) -> None:
    who = {"localId": uid, "email": f"{uid}@example.com", "password": PASSWORD, "emailVerified": True, **more}
    known = stack.users.auth.accounts.find(uid)
    (stack.users.admin.operations["update"] if known else stack.users.admin.create)(who)
