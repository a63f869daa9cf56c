"""What a mail's footer leads to: no more e-mail, without a sign-in. The key in the address is that of one user.

A mail program that offers to unsubscribe posts here (RFC 8058). A person's click gets a page with a button, since mail
scanners open every address of a mail.
"""

from typing import Final

from starlette.responses import Response

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.errors import HttpError
from nightshift.notify import unsubscribe
from nightshift.values.ids import is_user_id

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>E-mail</title></head>
<body><main><h1>{title}</h1>{rest}</main></body></html>
"""
_ASKS: Final = _PAGE.format(
    title="No more e-mail?",
    rest='<form method="post"><button type="submit">Send me no more e-mail</button></form>',
)
_DONE: Final = _PAGE.format(title="Done", rest="<p>You get no more e-mail. The app still shows your answers.</p>")
_POLICY: Final = {"Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"}


async def ask(call: ApiCall) -> Response:
    """Show a page with a button that unsubscribes."""
    _address(call)
    return Response(_ASKS, media_type="text/html", headers=_POLICY)


async def post(call: ApiCall) -> Response:
    """Send this user no more e-mail. Twice is as good as once."""
    user_id, key = _address(call)
    if not await unsubscribe.unsubscribe(call.runtime, user_id, key):
        raise HttpError(404, "not_found", "This address is not valid any more.")
    return Response(_DONE, media_type="text/html", headers=_POLICY)


def _address(call: ApiCall) -> tuple[str, str]:
    user_id, key = call.path["uid"], call.path["key"]
    if not is_user_id(user_id):
        raise HttpError(404, "not_found", "This address is not valid any more.")
    return user_id, key


_PATH: Final = "/unsubscribe/{uid}/{key}"
_ERRORS: Final = {404: "The address is not valid."}

ROUTES: Final = (
    ApiRoute(method="GET", path=_PATH, who="public", handler=ask, answer=None, media_type="text/html", errors=_ERRORS),
    ApiRoute(
        method="POST",
        path=_PATH,
        who="public",
        handler=post,
        answer=None,
        media_type="text/html",
        passes_over_form=True,
        errors=_ERRORS,
    ),
)
