"""Nodes as every ComfyUI knows them: a mapping from names to classes with a few attributes.

Source: ComfyUI, `nodes.py` and `server.py`, `node_info`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .node import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .node import Input, Node


def mappings(nodes: Sequence[Node]) -> tuple[dict[str, Any], dict[str, str]]:
    """NODE_CLASS_MAPPINGS and NODE_DISPLAY_NAME_MAPPINGS."""
    return {node.key: _class_of(node) for node in nodes}, {node.key: node.title for node in nodes}


def _class_of(node: Node) -> Any:
    def input_types(_: Any) -> dict[str, dict[str, Any]]:
        return {
            "required": {each.key: _input(each) for each in node.inputs if not each.optional},
            "optional": {each.key: _input(each) for each in node.inputs if each.optional},
        }

    def run(_: Any, **inputs: Any) -> dict[str, Any]:
        result = node.result(inputs)
        return {"result": result.values, "ui": {"text": (result.text,)} if result.text else {}}

    members: dict[str, Any] = {
        "INPUT_TYPES": classmethod(input_types),
        "RETURN_TYPES": tuple(each.kind for each in node.outputs),
        "RETURN_NAMES": tuple(each.name for each in node.outputs),
        "OUTPUT_TOOLTIPS": tuple(each.tooltip for each in node.outputs),
        "FUNCTION": "run",
        "CATEGORY": CATEGORY,
        "DESCRIPTION": node.description,
        "SEARCH_ALIASES": list(node.search_aliases),
        "OUTPUT_NODE": node.writes,
        "run": run,
    }
    if node.changes:
        members["IS_CHANGED"] = staticmethod(node.changes)
    return type(node.key, (), members)


def _input(each: Input) -> tuple[Any, dict[str, Any]]:
    return (list(each.options()) if each.options else each.kind), each.widget
