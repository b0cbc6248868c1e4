"""A request that is not answered as asked, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES = {
    400: "bad-request",
    401: "unauthorised",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    411: "length-required",
    413: "too-large",
    415: "unsupported-type",
    421: "unknown-host",
    422: "unusable",
    429: "busy",
    500: "internal",
}
"""Status -> the stable code in the answer, where a refusal brings none of its own."""


class Refusal(Exception):
    """An HTTP status and a sentence for people; nothing of the request is repeated in it unescaped."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.code = code or CODES[status]
        self.headers = dict(headers or {})
