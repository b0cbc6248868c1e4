"""The API's place on a host's server. The API itself is imported by the first request to it, not by the start."""

from __future__ import annotations

import asyncio
import importlib
import urllib.parse
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .api.guard import Guard, InFront

if TYPE_CHECKING:
    from .api.guard import Request
    from .api.service import Service
    from .asgi.answers import Answer
    from .hosts.host import Access, Host


def mount(app: Any, host: Host, service: Service | None = None) -> None:
    """Serve the API on `app`, the host's FastAPI application, before anything else of it answers.

    Done again, it serves `host` from now on. `service` is what stays when the WebUI makes its page anew; by default
    that of the running program.
    """
    from starlette.middleware import Middleware

    apis: list[Any] = []

    def first() -> Any:
        return importlib.import_module(".api.serving", __package__).serving(app, host, service)

    async def answer(request: Request) -> Answer:
        if not apis:
            apis.append(await asyncio.to_thread(first))
        return await apis[0].answer(request)

    others = [each for each in app.user_middleware if each.cls is not InFront]
    guard = Guard(partial(access_to, app, host), answer)
    app.user_middleware[:] = [Middleware(InFront, guard=guard), *others]
    app.middleware_stack = None  # made anew at the next request


def access_to(app: Any, host: Host) -> Access:
    """Who may use the server, which goes also by the name of the link that Gradio shares its page under."""
    access = host.access()
    link = getattr(getattr(app, "blocks", None), "share_url", None)
    name = urllib.parse.urlsplit(str(link)).hostname if link else None
    return replace(access, host_names=(*access.host_names, name)) if name else access
