"""`rpbert viewer`: the live page."""

from __future__ import annotations

from workers.settings import ViewerSettings


def viewer(*, settings: ViewerSettings = ViewerSettings()) -> None:
    """Show the results of the output topic in a browser as they are committed; Ctrl-C ends it.

    Needs `pip install 'rpbert-stream[viewer]'`. It joins no group and commits nothing: any number may run.

    For example:

        rpbert viewer --bootstrap-servers kafka:9092

        rpbert viewer --attention --allow-posts --allow-corrections

        RPBERT_VIEWER_TOKEN=... rpbert viewer --viewer-host 0.0.0.0 --allow-corrections

    Args:
        settings: how to reach Kafka, what the page shows and may write.
    """
    from importlib import util

    from workers.errors import SetupError

    if not all(util.find_spec(name) for name in ("starlette", "sse_starlette", "uvicorn")):
        raise SetupError("the page needs its web server: pip install 'rpbert-stream[viewer]'")
    from workers.viewer.serve import serve

    serve(settings)
