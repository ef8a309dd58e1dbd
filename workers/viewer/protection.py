"""What keeps strangers out: of the page's script, of a browser's other pages, of Kafka."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.viewer.answers import Refused

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# A page of another origin can't set it without being asked for leave, which is never given (Fetch, 4.8).
_OWN_HEADER: Final = "x-rpbert-viewer"


class SecurityHeaders:
    """Puts the headers on every answer; one that an answer has itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app: Final = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


def require_writer(request: Request, token: SecretStr | None, *, allowed: bool, flag: str) -> None:
    """Let through who may write.

    Raises:
        Refused: 403, nobody may or the request is another page's; 401, the token is missing or wrong.
    """
    if not allowed:
        raise Refused(403, f"this viewer does not write that; start it with {flag}")
    if _OWN_HEADER not in request.headers:
        raise Refused(403, f"a request that writes needs the header {_OWN_HEADER}, with any value")
    if token is None:
        return
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not compare_digest(given.encode(), token.get_secret_value().encode()):
        raise Refused(401, "the token is missing or wrong; give that of RPBERT_VIEWER_TOKEN")
