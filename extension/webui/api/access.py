"""Who may use the API: what the host asks of its own users, and for changes the page's token.

Source: A1111 1.10.1, `modules/api/api.py` (`--api-auth`: HTTP Basic); Gradio 3.41 and 4.40, `routes.py` (a login puts a
token of `app.tokens` into the cookies `access-token…`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Any

from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..hosts.host import Access

TOKEN_HEADER = "x-loanword-token"  # noqa: S105  # its name
_COOKIE = "access-token"


def check_reading(headers: Mapping[str, str], access: Access, token: str, app: Any) -> None:
    """Raise Refusal (401) where the host asks who its users are, and the request does not say so."""
    protected = access.api_auth or access.login or getattr(app, "auth", None)
    if protected and not (has_token(headers, token) or _has_password(headers, access) or _is_logged_in(headers, app)):
        raise _unauthorised(access)


def check_changing(headers: Mapping[str, str], access: Access, token: str) -> None:
    """Raise Refusal (401) for a change that neither the page nor someone with a password asks for.

    A cookie does not do: browsers send it along with whatever page's request.
    """
    if not (has_token(headers, token) or _has_password(headers, access)):
        raise _unauthorised(access)


def has_token(headers: Mapping[str, str], token: str) -> bool:
    """Whether a request has the page's token."""
    return _same(headers.get(TOKEN_HEADER, ""), token)


def _has_password(headers: Mapping[str, str], access: Access) -> bool:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = [*access.api_auth.items(), *access.login.items()]
    return any(_same(name, each) & _same(password, its) for each, its in known)


def _is_logged_in(headers: Mapping[str, str], app: Any) -> bool:
    tokens: Mapping[str, Any] = getattr(app, "tokens", None) or {}
    cookies = [each.strip().partition("=") for each in headers.get("cookie", "").split(";")]
    return any(name.startswith(_COOKIE) and value in tokens for name, _, value in cookies)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode(errors="replace"))


def _unauthorised(access: Access) -> Refusal:
    headers = {"www-authenticate": 'Basic realm="loanword", charset="UTF-8"'} if access.api_auth else {}
    return Refusal(401, "this needs the page's token, or the user name and password of the API", headers=headers)
