"""The page's addresses, as an ASGI application."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from schemas import MAX_IMAGES, EntityType
from schemas.post import MAX_TEXT_CHARACTERS
from workers.settings import ViewerSettings
from workers.viewer.answers import Refused, body_within, refuse
from workers.viewer.posts import Posts
from workers.viewer.protection import SecurityHeaders, require_writer
from workers.viewer.stream import Stream
from workers.viewer.thumbnails import Thumbnails
from workers.viewer.uploads import Uploads
from workers.viewer.writer import Writer

if TYPE_CHECKING:
    # With it comes torch, for who wants attention shown.
    from workers.viewer.attention import Explainer

_STATIC: Final = Path(__file__).with_name("static")
# The longest text in UTF-8 and JSON's escapes, and URLs.
_MAX_JSON_BYTES: Final = 6 * MAX_TEXT_CHARACTERS + 64 * 1024
# It never changes under its name but may be gone soon.
_PICTURE_CACHE: Final = {"Cache-Control": "private, max-age=3600"}
# Someone's file, opened by itself, is not to be a page of ours.
_UPLOAD_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
}


class Viewer:
    """The handlers, over the parts that they ask."""

    def __init__(
        self,
        settings: ViewerSettings,
        *,
        url: str,
        stream: Stream,
        posts: Posts,
        uploads: Uploads,
        thumbnails: Thumbnails | None,
        explainer: Explainer | None,
        writer: Writer | None,
    ) -> None:
        """Wire them.

        Args:
            settings: what is shown and allowed.
            url: where browsers and workers reach the page.
            stream: the events.
            posts: finds a post.
            uploads: holds pictures that are sent here.
            thumbnails: has the pictures; None shows none.
            explainer: computes attention; None shows none.
            writer: writes to Kafka; None writes nothing.
        """
        self._settings: Final = settings
        self._url: Final = url.rstrip("/")
        self._stream: Final = stream
        self._posts: Final = posts
        self._uploads: Final = uploads
        self._thumbnails: Final = thumbnails
        self._explainer: Final = explainer
        self._writer: Final = writer

    def application(self) -> Starlette:
        """The application, to be served."""
        host = self._settings.viewer_url.host if self._settings.viewer_url else None
        # Elsewhere a name may be rebound to this machine, for its browser to read the page (DNS rebinding).
        hosts = ["127.0.0.1", "localhost", *([host] if host else [])]
        return Starlette(
            routes=[
                Route("/", _page),
                Route("/posts/{place}", _page),
                Route("/api/about", self.about),
                Route("/api/events", self._stream.answer),
                Route("/api/posts", self.write, methods=["POST"]),
                Route("/api/posts/{place}", self.post),
                Route("/api/posts/{place}/pictures/{index:int}", self.picture),
                Route("/api/posts/{place}/attention", self.attention),
                Route("/api/posts/{place}/correction", self.correct, methods=["POST"]),
                Route("/api/uploads", self.upload, methods=["POST"]),
                Route("/uploads/{name}", self.uploaded),
                Mount("/static", StaticFiles(directory=_STATIC)),
            ],
            middleware=[
                Middleware(SecurityHeaders),
                Middleware(
                    TrustedHostMiddleware,
                    allowed_hosts=hosts if self._settings.is_local else ["*"],
                    www_redirect=False,
                ),
            ],
            exception_handlers={Refused: refuse},
        )

    async def about(self, _request: Request) -> Response:
        """What this viewer shows and may do."""
        settings, explainer = self._settings, self._explainer
        return JSONResponse(
            {
                "topic": settings.kafka.output_topic,
                "history": settings.history,
                "types": [each.value for each in EntityType],
                "max_images": MAX_IMAGES,
                "max_upload_bytes": self._uploads.max_bytes,
                "pictures": self._thumbnails is not None,
                "attention": None
                if explainer is None
                else {"release": explainer.release, "gate": explainer.gate.value},
                "posts": settings.allow_posts,
                "corrections": settings.allow_corrections,
                "token": settings.viewer_token is not None,
            }
        )

    async def post(self, request: Request) -> Response:
        """One post, for a link to it."""
        shown = await self._posts.find(request.path_params["place"])
        return JSONResponse(shown.content())

    async def picture(self, request: Request) -> Response:
        """One picture of a post as the model sees it."""
        shown = await self._posts.find(request.path_params["place"])
        if self._thumbnails is None:
            raise Refused(404, "this viewer shows no pictures")
        jpeg = await self._thumbnails.jpeg(shown, request.path_params["index"])
        return Response(jpeg, media_type="image/jpeg", headers=_PICTURE_CACHE)

    async def attention(self, request: Request) -> Response:
        """What a post's entities attend to in its pictures."""
        shown = await self._posts.find(request.path_params["place"])
        if self._explainer is None:
            raise Refused(404, "this viewer computes no attention; start it with --attention")
        return JSONResponse(await self._explainer.explain(shown))

    async def write(self, request: Request) -> Response:
        """Produce a post."""
        writer = self._admit(request, allowed=self._settings.allow_posts, flag="--allow-posts")
        body = await body_within(request, _MAX_JSON_BYTES, "the post")
        return JSONResponse({"id": await writer.write(body)}, 202)

    async def correct(self, request: Request) -> Response:
        """Produce a correction."""
        writer = self._admit(request, allowed=self._settings.allow_corrections, flag="--allow-corrections")
        shown = await self._posts.find(request.path_params["place"])
        body = await body_within(request, _MAX_JSON_BYTES, "the correction")
        await writer.correct(shown, body)
        return JSONResponse({"id": shown.result.id}, 202)

    async def upload(self, request: Request) -> Response:
        """Hold a picture for the workers."""
        self._admit(request, allowed=self._settings.allow_posts, flag="--allow-posts")
        data = await body_within(request, self._uploads.max_bytes, "the picture")
        return JSONResponse({"url": f"{self._url}/uploads/{self._uploads.keep(data)}"}, 201)

    async def uploaded(self, request: Request) -> Response:
        """A picture that was sent here; the worker looks at its bytes itself."""
        data = self._uploads.find(request.path_params["name"])
        return Response(data, media_type="application/octet-stream", headers=_UPLOAD_HEADERS)

    def _admit(self, request: Request, *, allowed: bool, flag: str) -> Writer:
        require_writer(request, self._settings.viewer_token, allowed=allowed, flag=flag)
        if self._writer is None:
            raise Refused(503, "this viewer is not connected for writing")
        return self._writer


async def _page(_request: Request) -> Response:
    return FileResponse(_STATIC / "index.html", headers={"Cache-Control": "no-cache"})
