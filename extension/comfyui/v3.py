"""Nodes as ComfyUI's V3 API has them: classes with a schema.

Source: ComfyUI 0.3.64, `comfy_api/latest/_io.py`.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from .node import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .node import Input, Node


def is_there() -> bool:
    """Whether this ComfyUI has the V3 API."""
    try:
        api: Any = importlib.import_module("comfy_api.latest")
    except ImportError:
        return False
    return hasattr(api, "ComfyExtension") and hasattr(api, "io")


def extension(nodes: Sequence[Node]) -> Any:
    """The ComfyExtension with these nodes."""
    api: Any = importlib.import_module("comfy_api.latest")
    classes = [_class_of(node, api) for node in nodes]

    class Loanword(api.ComfyExtension):
        async def get_node_list(self) -> list[Any]:
            return classes

    return Loanword()


def _class_of(node: Node, api: Any) -> Any:
    def define_schema(_: Any) -> Any:
        return api.io.Schema(**_fields(node, api))

    def execute(_: Any, **inputs: Any) -> Any:
        result = node.result(inputs)
        return api.io.NodeOutput(*result.values, ui=api.ui.PreviewText(result.text) if result.text else None)

    def fingerprint_inputs(_: Any, **inputs: Any) -> str:
        return node.changes(**inputs) if node.changes else ""

    members: dict[str, Any] = {"define_schema": classmethod(define_schema), "execute": classmethod(execute)}
    if node.changes:
        members["fingerprint_inputs"] = classmethod(fingerprint_inputs)
    return type(node.key, (api.io.ComfyNode,), members)


def _fields(node: Node, api: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "node_id": node.key,
        "display_name": node.title,
        "category": CATEGORY,
        "description": node.description,
        "inputs": [_input(each, api.io) for each in node.inputs],
        "outputs": [
            _type(each.kind, api.io).Output(display_name=each.name, tooltip=each.tooltip) for each in node.outputs
        ],
        "is_output_node": node.writes,
        "search_aliases": list(node.search_aliases),
    }
    known = {field.name for field in dataclasses.fields(api.io.Schema)}
    return {name: value for name, value in fields.items() if name in known}


def _input(each: Input, io: Any) -> Any:
    options = {"options": list(each.options())} if each.options else {}
    return _type(each.kind, io).Input(each.key, optional=each.optional, **options, **each.widget)


def _type(kind: str, io: Any) -> Any:
    return getattr(io, kind.capitalize())
