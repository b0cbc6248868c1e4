"""Stands in for ComfyUI's V3 API, as far as loanword's nodes use it."""

from dataclasses import dataclass, field
from types import SimpleNamespace


class ComfyExtension:
    pass


class ComfyNode:
    pass


@dataclass
class Schema:
    node_id: str
    display_name: str = ""
    category: str = ""
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False


class NodeOutput:
    def __init__(self, *args, ui=None):
        self.args, self.ui = args, ui


class PreviewText:
    def __init__(self, value):
        self.value = value


@dataclass
class Input:
    id: str
    optional: bool = False
    tooltip: str = ""
    default: str = ""
    multiline: bool = False
    options: tuple = ()


@dataclass
class Output:
    display_name: str
    tooltip: str


_KINDS = {
    kind: SimpleNamespace(Input=Input, Output=Output) for kind in ("Clip", "String", "Combo", "Image", "Conditioning")
}
io = SimpleNamespace(Schema=Schema, ComfyNode=ComfyNode, NodeOutput=NodeOutput, **_KINDS)
ui = SimpleNamespace(PreviewText=PreviewText)
