"""The API below /loanword/v1, on the server of the WebUI: routes to answers, each in the thread that is right for it.

It is an ASGI application of its own, in front of everything that a host and its extensions put around their routes, and
needs nothing of the web framework that a host brings: hosts have versions of it that are years apart.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

from ....embeddings.errors import CannotWrite, LoanwordError
from ..actions.uploads import files_in
from ..asgi.answers import Answer, as_json
from ..asgi.bodies import receive_body
from ..asgi.fields import from_json, from_query
from ..asgi.gate import Gate, Room
from ..asgi.refusal import Refusal
from ..asgi.strict_json import parse
from .access import check_changing, check_reading
from .openapi import OPENAPI
from .requests import Empty
from .routes import ROUTES, UPLOAD, Route, route_of
from .service import Service

if TYPE_CHECKING:
    from ..hosts.host import Host
    from .guard import Request

_kept: list[Service] = []
"""What stays when the WebUI makes its page anew: one service, once there is one."""
_one_at_a_time = threading.Lock()


def serving(app: Any, host: Host, service: Service | None = None) -> Api:
    """What answers on `app` for `host`; `service` is by default the program's, the same for every page."""
    serves = service or _kept_service(host)
    serves.host = host
    return Api(serves, app)


def _kept_service(host: Host) -> Service:
    with _one_at_a_time:
        if not _kept:
            _kept.append(Service(host))
    return _kept[0]


class Api:
    """Answers requests that the guard let pass."""

    def __init__(self, service: Service, app: Any) -> None:
        self._service = service
        self._app = app
        self._light = Gate("light", running=4, waiting=64)
        self._heavy = Gate("heavy", running=1, waiting=8)
        self._receiving = Room(9)

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; raises Refusal."""
        access = self._service.host.access()
        route, ids = route_of((OPENAPI, *ROUTES), request.method, request.path)
        check_reading(request.headers, access, self._service.token, self._app)
        asked = await self._asked(route, request)
        if route.method == "POST":
            check_changing(request.headers, access, self._service.token)
        gate = self._heavy if route.heavy else self._light
        return await gate.run(self._done, route, asked, ids)

    async def _asked(self, route: Route, request: Request) -> Any:
        """What the request asks: files, or the fields that the route has."""
        asks: type[Any] = route.asks if route.method == "GET" else Empty
        asked: Any = from_query(asks, request.query)
        if route.method == "GET":
            return asked
        with self._receiving if route is UPLOAD else nullcontext():
            body = await receive_body(request.incoming, request.largest_body)
        with body:
            if route is UPLOAD:
                return await self._heavy.run(files_in, body, request.headers["content-type"])
            return await self._heavy.run(_fields, route, body)

    def _done(self, route: Route, asked: Any, ids: dict[str, str]) -> Answer:
        """Do what is asked, with loanword's refusals as the server's."""
        try:
            result = route.work(self._service, asked, **ids)
        except LoanwordError as error:
            message = self._service.catalogue.around().folders.without_paths(str(error))
            raise Refusal(409 if isinstance(error, CannotWrite) else 422, message, error.code) from None
        return result if isinstance(result, Answer) else as_json(result, route.status)


def _fields(route: Route, body: IO[bytes]) -> Any:
    return from_json(route.asks, parse(body.read()))
