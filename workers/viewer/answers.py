"""What the page answers when it can't do what it was asked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refused(Exception):
    """A request that is not done.

    Attributes:
        status: of HTTP.
        message: for the person at the browser; nothing of a stranger's but what he sent.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def refuse(_request: Request, error: Exception) -> Response:
    """A `Refused` as JSON."""
    status, message = (error.status, error.message) if isinstance(error, Refused) else (500, "it failed")
    return JSONResponse({"error": message}, status)


async def body_within(request: Request, most: int, what: str) -> bytes:
    """The body of a request, read no further than it may be long.

    Raises:
        Refused: 413, it is longer.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(413, f"{what} is larger than {most:,} bytes; send a smaller one")
    return bytes(body)
