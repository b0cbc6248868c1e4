"""What every request has to pass before anything is made of it: the first thing that the API's part of a server runs.

A page of another site can have its visitor's browser send requests here, with the visitor's cookies, and a name of its
own can be made to point here. So the name that is called, the page that calls and what a page without permission could
send (a plain form) are looked at before the address is; then the body's length.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import urllib.parse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..asgi.answers import refused
from ..asgi.bodies import Incoming, check_length, discard
from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..asgi.answers import Answer, Send
    from ..asgi.bodies import Receive
    from ..hosts.host import Access

BASE = "/loanword/v1"
"""What the address of everything here begins with, below that of the host."""
UPLOAD = "/upload"
LARGEST_UPLOAD = 64 * 1024 * 1024
LARGEST_JSON = 1024 * 1024

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]@/\\\s]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_PAGES = ("same-origin", "none")
"""`Sec-Fetch-Site` of requests that this server's own pages, or nobody's, have made."""
_SINGLE = frozenset(
    ("host", "origin", "content-type", "content-length", "transfer-encoding", "authorization", "x-loanword-token")
)


@dataclass(frozen=True)
class Request:
    """A request that has passed: `path` is what follows BASE, as it was sent."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    incoming: Incoming

    @property
    def largest_body(self) -> int:
        return LARGEST_UPLOAD if self.path == UPLOAD else LARGEST_JSON


class Guard:
    """An ASGI application for everything below BASE: answers what does not pass, and hands on what does."""

    def __init__(self, access: Callable[[], Access], handle: Callable[[Request], Awaitable[Answer]]) -> None:
        self._access = access
        self._handle = handle

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        incoming = Incoming(receive)
        try:
            answer = await self._handle(admitted(scope, incoming, self._access()))
        except Refusal as refusal:
            answer = refused(refusal)
        except Exception:  # a host's server would show its traceback
            logging.getLogger(__name__).exception("loanword's API failed")
            answer = refused(Refusal(500, "something went wrong; the console of the WebUI says what"))
        if incoming.ended or scope["method"] != "POST":
            await answer.send(send)
            return
        await replace(answer, headers={**answer.headers, "connection": "close"}).send(send, last=False)
        await discard(incoming)
        await send({"type": "http.response.body", "body": b""})


class InFront:
    """Sends what is asked below BASE to the guard, and everything else on its way."""

    def __init__(self, app: Callable[..., Awaitable[None]], guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        await (self._guard if f"{path}/".startswith(f"{BASE}/") else self._app)(scope, receive, send)


def admitted(scope: Mapping[str, Any], incoming: Incoming, access: Access) -> Request:
    """The request of an ASGI scope; raises Refusal where it does not pass."""
    headers = _headers(scope["headers"])
    _check_host(headers.get("host", ""), scope.get("server"), access)
    _check_site(headers)
    request = Request(scope["method"], _path(scope), scope.get("query_string", b""), headers, incoming)
    if request.method not in ("GET", "POST"):
        raise Refusal(405, "only GET and POST are known here", headers={"allow": "GET, POST"})
    if request.method == "POST":
        _check_content_type(request)
        check_length(headers, request.largest_body)
    return request


def _headers(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers and name in _SINGLE:
            raise Refusal(400, f"{name} is given twice")
        headers[name] = f"{headers[name]}; {value}" if name == "cookie" and name in headers else value
    return headers


def _check_host(host: str, server: tuple[str, int] | None, access: Access) -> None:
    found = _HOST.fullmatch(host)
    if found is None or not _is_own_name(found["name"].lower(), server, access):
        raise Refusal(421, "this server is not called that; add the name to those that it goes by")


def _is_own_name(name: str, server: tuple[str, int] | None, access: Access) -> bool:
    """Whether a server goes by a name. An address is never a name that was made to point here."""
    if name == "localhost" or name in {each.lower() for each in access.host_names}:
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return access.listens_widely or address.is_loopback or (server is not None and str(address) == server[0])


def _check_site(headers: Mapping[str, str]) -> None:
    origin = headers.get("origin")
    own = origin is None or _is_same_place(origin, headers["host"])
    if not own or headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        raise Refusal(403, "requests from pages of other sites are not answered")


def _is_same_place(origin: str, host: str) -> bool:
    """Whether an origin is where `host` is; behind a proxy only its sender knows by which scheme it was called."""
    scheme, _, place = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    return default is not None and _name_and_port(place, default) == _name_and_port(host, default)


def _name_and_port(host: str, default: int) -> tuple[str, int]:
    found = _HOST.fullmatch(host)
    return (found["name"].lower(), int(found["port"] or default)) if found else (host, -1)


def _check_content_type(request: Request) -> None:
    """Refuse what a plain form could send: for anything else a browser asks first, and is not allowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != ("multipart/form-data" if request.path == UPLOAD else "application/json"):
        raise Refusal(415, "a POST has application/json, or a form with files for the upload")


def _path(scope: Mapping[str, Any]) -> str:
    """What follows BASE in the address as it was sent, percent signs and all."""
    raw = scope.get("raw_path") or urllib.parse.quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("latin-1").partition(BASE)[2]
