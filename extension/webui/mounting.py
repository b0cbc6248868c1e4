"""The API's place on a host's server. The API itself is imported by the first request to it, not by the start."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from .guard import Guard, InFront

if TYPE_CHECKING:
    from .asgi.answers import Answer
    from .guard import Request
    from .hosts.host import Host


def mount(app: Any, host: Host) -> None:
    """Serve the API on `app`, the host's FastAPI application."""
    apis: list[Any] = []

    def first() -> Any:
        return importlib.import_module(".api", __package__).serving(app, host)

    async def answer(request: Request) -> Answer:
        if not apis:
            apis.append(await asyncio.to_thread(first))
        return await apis[0].answer(request)

    put_in_front(app, Guard(host.access, answer))


def put_in_front(app: Any, guard: Guard) -> None:
    """Have `guard` answer what is asked below its address, before anything else of `app` does."""
    from starlette.middleware import Middleware

    others = [each for each in app.user_middleware if each.cls is not InFront]
    app.user_middleware[:] = [Middleware(InFront, guard=guard), *others]
    app.middleware_stack = None  # made anew at the next request
