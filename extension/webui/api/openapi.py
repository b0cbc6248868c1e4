"""The API's description for programs, made from the table of routes and the shapes of requests and answers."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from typing import TYPE_CHECKING, Any

from ..actions.uploads import FIELD
from ..asgi.fields import hints_of, without_none
from .answers_jobs import Failure
from .guard import BASE
from .reading import version
from .requests import Empty
from .routes import ROUTES, UPLOAD, Route

if TYPE_CHECKING:
    from .service import Service

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_REFUSED = {"$ref": "#/components/schemas/Failure"}


def describe(_service: Service, _: Empty) -> dict[str, Any]:
    """The whole description, as OpenAPI 3.1 has it."""
    schemas: dict[str, Any] = {}
    schema_of(Failure, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"{BASE}{route.path}", {})[route.method.lower()] = _operation(route, schemas)
    security = {
        "token": {"type": "apiKey", "in": "header", "name": "X-Loanword-Token"},
        "password": {"type": "http", "scheme": "basic"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "loanword", "version": version()},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security},
    }


def schema_of(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those of dataclasses are put into `schemas`."""
    kind, optional = without_none(hint)
    if optional:
        return {"anyOf": [schema_of(kind, schemas), {"type": "null"}]}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], schemas)}
    if kind.__name__ not in schemas:
        schemas[kind.__name__] = {}
        schemas[kind.__name__] = _of_dataclass(kind, schemas)
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _of_dataclass(kind: type, schemas: dict[str, Any]) -> dict[str, Any]:
    fields = dataclasses.fields(typing.cast("Any", kind))
    return {
        "type": "object",
        "description": inspect.getdoc(kind),
        "properties": _of_fields(kind, schemas),
        "required": [each.name for each in fields if _is_needed(each)],
        "additionalProperties": False,
    }


def _of_fields(kind: Any, schemas: dict[str, Any]) -> dict[str, dict[str, Any]]:
    hints = hints_of(kind)
    return {each.name: schema_of(hints[each.name], schemas) | dict(each.metadata) for each in dataclasses.fields(kind)}


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": inspect.getdoc(route.work),
        "operationId": route.work.__name__,
        "parameters": _parameters(route, schemas),
        "responses": {
            str(route.status): {"description": "Done.", "content": _content(route, schemas)},
            "default": {"description": "Refused.", "content": {"application/json": {"schema": _REFUSED}}},
        },
        "security": [{"token": []}, {"password": []}, *([] if route.method == "POST" else [{}])],
    }
    if route is UPLOAD:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        schema = {"type": "object", "properties": {FIELD: files}, "required": [FIELD]}
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    elif route.method == "POST":
        content = {"application/json": {"schema": schema_of(route.asks, schemas)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _content(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(route.answers, str):
        return {route.answers: {"schema": {"type": "string", "format": "binary"}}}
    return {"application/json": {"schema": schema_of(route.answers, schemas)}}


def _parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    names = re.findall(r"{([a-z_]+)}", route.path)
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    if route.method == "POST":
        return in_path
    return in_path + [
        {"name": name, "in": "query", "required": False, "explode": False, "schema": schema}
        for name, schema in _of_fields(route.asks, schemas).items()
    ]


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


OPENAPI = Route("GET", "/openapi.json", "This description", Empty, describe, "application/json")
