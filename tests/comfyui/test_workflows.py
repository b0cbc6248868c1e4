"""The workflows that ComfyUI's editor loads and its API runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import loanword
import pytest
from loanword.extension.comfyui.workflows import name_in_prompt, workflow

ROOT = Path(loanword.__file__).parent
EXAMPLES = {"SD1.5_embedding": False, "SD1.5_embedding_node": True}


def command_line(*arguments):
    command = [sys.executable, "-m", "loanword", "comfyui-workflow", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "checkout")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_what_the_command_line_writes(name):
    text = (ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(text) == workflow(node=EXAMPLES[name])


def test_there_are_no_other_examples():
    assert {path.stem for path in (ROOT / "example_workflows").glob("*.json")} == set(EXAMPLES)


@pytest.mark.parametrize("node", [False, True])
def test_links_of_the_editor_agree_with_both_of_their_ends(node):
    made = workflow(node=node)
    nodes = {each["id"]: each for each in made["nodes"]}
    assert made["last_node_id"] == max(nodes)
    assert made["last_link_id"] == len(made["links"])
    for number, start, output, end, position, kind in made["links"]:
        assert number in nodes[start]["outputs"][output]["links"]
        assert nodes[end]["inputs"][position]["link"] == number
        assert nodes[start]["outputs"][output]["type"] == nodes[end]["inputs"][position]["type"] == kind
    assert sum(len(each["inputs"]) for each in nodes.values()) == len(made["links"])


@pytest.mark.parametrize("node", [False, True])
def test_editor_and_api_say_the_same(node):
    editor, api = workflow(node=node), workflow(node=node, api=True)
    assert {str(each["id"]): each["type"] for each in editor["nodes"]} == {
        number: each["class_type"] for number, each in api.items()
    }
    for each in editor["nodes"]:
        inputs = api[str(each["id"])]["inputs"]
        plain = [value for value in inputs.values() if not isinstance(value, list)]
        assert [value for value in each["widgets_values"] if value != "randomize"] == plain
    links = {(str(end), str(start), output) for _, start, output, end, _, _ in editor["links"]}
    assert links == {
        (number, *value) for number, each in api.items() for value in each["inputs"].values() if isinstance(value, list)
    }


@pytest.mark.parametrize("node", [False, True])
def test_the_embedding_and_the_checkpoint_are_in_it(node):
    made = workflow("my cat", "mine.safetensors", node=node, api=True)
    assert "embedding:my cat," in made["2"]["inputs"]["text"]
    assert made["1"]["inputs"]["ckpt_name"] == "mine.safetensors"
    assert made["2"]["class_type"] == ("LoanwordEmbeddingPrompt" if node else "CLIPTextEncode")


def test_parentheses_of_a_name_are_no_weights():
    assert name_in_prompt("cat (v2)") == r"embedding:cat \(v2\)"


def test_a_name_may_be_given_as_it_stands_in_prompts():
    assert name_in_prompt("embedding:my cat") == "embedding:my cat"


def test_the_command_line_prints_a_workflow_or_writes_it_once(tmp_path):
    done = command_line("--embedding", "my cat", "--checkpoint", "mine.safetensors", "--node", "--api")
    assert json.loads(done.stdout) == workflow("my cat", "mine.safetensors", node=True, api=True)
    place = tmp_path / "flow.json"
    assert command_line("--out", str(place)).returncode == 0
    assert json.loads(place.read_text(encoding="utf-8")) == workflow()
    refused = command_line("--out", str(place), "--node")
    assert refused.returncode == 1
    assert "already there" in refused.stderr
    assert command_line("--out", str(place), "--node", "--overwrite").returncode == 0
