"""The API's own description says what the API does: every address, every field, every answer."""

import json
import re

import loanword
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import serving_folder
from loanword.embeddings.embedding import Embedding
from loanword.extension.webui.api.guard import BASE
from loanword.extension.webui.api.routes import ROUTES
from samples import L

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


@pytest.fixture
def client(tmp_path):
    with serving_folder(tmp_path) as client:
        loanword.write(Embedding("style", {"clip_l": L}), tmp_path / "embeddings" / "style.safetensors")
        yield client.scanned()


def check(value, schema, schemas):
    """Raise where `value` is not what `schema` says; only what these descriptions use of JSON Schema."""
    if "$ref" in schema:
        return check(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return None if value is None else check(value, schema["anyOf"][0], schemas)
    assert isinstance(value, TYPES[schema["type"]]), (value, schema)
    if schema["type"] == "array":
        for each in value:
            check(each, schema["items"], schemas)
    if schema["type"] == "object" and "properties" in schema:
        assert set(value) == set(schema["properties"]), schema["description"]
        for name, each in value.items():
            check(each, schema["properties"][name], schemas)
    return None


def answer_schema(description, method, path):
    responses = description["paths"][f"{BASE}{path}"][method]["responses"]
    return next(each for status, each in responses.items() if status != "default")["content"]["application/json"][
        "schema"
    ]


def test_every_address_is_described_with_what_refers_to_something(client):
    description = client.get("/openapi.json").json
    assert description["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, each in description["paths"].items() for method in each}
    assert described == {(route.method, f"{BASE}{route.path}") for route in ROUTES}
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert referred == set(description["components"]["schemas"])
    for path, methods in description["paths"].items():
        for method in methods.values():
            assert {each["name"] for each in method["parameters"] if each["in"] == "path"} == set(
                re.findall(r"{(\w+)}", path)
            )
            assert method["summary"]
            assert method["description"].endswith(".")


def test_the_answers_are_what_the_description_says(client):
    description = client.get("/openapi.json").json
    schemas = description["components"]["schemas"]
    name = client.items()[0]["id"]
    job = client.post("/convert", {"ids": [name], "program": "comfyui", "dry_run": True}).json["job"]
    client.ended(job)
    answers = {
        ("get", "/session"): client.get("/session"),
        ("get", "/embeddings"): client.get("/embeddings"),
        ("get", "/embeddings/{embedding}"): client.get(f"/embeddings/{name}"),
        ("get", "/embeddings/{embedding}/inside"): client.get(f"/embeddings/{name}/inside"),
        ("get", "/loras"): client.get("/loras"),
        ("get", "/jobs/{job}"): client.get(f"/jobs/{job}"),
        ("post", "/report"): client.post("/report", {"prompt": "style, stile"}),
        ("post", "/sidecar"): client.post("/sidecar", {"id": name, "notes": "x"}),
        ("post", "/upload"): client.upload(**{"x.pt": b"x"}),
        ("post", "/refresh"): client.post("/refresh"),
    }
    for (method, path), answer in answers.items():
        assert answer.status in (200, 202)
        check(answer.json, answer_schema(description, method, path), schemas)
    check(client.get("/none").json, {"$ref": "#/components/schemas/Failure"}, schemas)


def test_the_fields_of_requests_are_those_that_are_described(client):
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    for route in ROUTES:
        if route.method == "POST" and route.path != "/upload":
            path = re.sub(r"{\w+}", "x" * 25, route.path)
            answer = client.post(path, {"not a field": 1})
            assert answer.status == 422
            fields = schemas[route.asks.__name__]["properties"]
            assert all(name in answer.json["error"]["message"] for name in fields)


def test_what_a_parameter_may_be_is_described_and_nothing_else_is_taken(client):
    asked = client.get("/openapi.json").json["paths"][f"{BASE}/embeddings"]["get"]["parameters"]
    limits = {each["name"]: each["schema"] for each in asked if {"enum", "maximum"} & set(each["schema"])}
    assert set(limits) == {"sort", "order", "limit"}
    for name, schema in limits.items():
        allowed = schema.get("enum") or [schema["minimum"], schema["maximum"]]
        refused = ["", "other"] if "enum" in schema else [schema["minimum"] - 1, schema["maximum"] + 1]
        assert {client.get(f"/embeddings?{name}={value}").status for value in allowed} == {200}
        assert {client.get(f"/embeddings?{name}={value}").status for value in refused} == {422}
