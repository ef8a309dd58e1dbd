"""Ways for a picture host to misbehave, as handlers for `PictureHost.add`."""

from __future__ import annotations

import asyncio

from aiohttp import web

from workers.local.picture_host import Handler


def slow(body: bytes, *, seconds: float, chunks: int = 10) -> Handler:
    """Sends the body drop by drop over `seconds`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        step = -(-len(body) // chunks)
        for start in range(0, len(body), step):
            await asyncio.sleep(seconds / chunks)
            await response.write(body[start : start + step])
        return response

    return handler


def hanging(*, after_headers: bool = False) -> Handler:
    """Never answers, or sends its headers and then nothing more."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if after_headers:
            response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": "1000"})
            await response.prepare(request)
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - nothing sets the event

    return handler


def redirect(location: str, *, status: int = 302) -> Handler:
    """Sends the client elsewhere."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return handler


def status(code: int) -> Handler:
    """Answers with nothing but a status."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code)

    return handler


def truncated(body: bytes, *, declared: int) -> Handler:
    """Promises `declared` bytes, sends the body and closes the connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(body)
        if request.transport is not None:
            request.transport.close()
        return response

    return handler
