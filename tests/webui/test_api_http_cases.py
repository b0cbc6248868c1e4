"""Hostile requests, of a generator beside the project and our own: each gets an answer that is allowed, byte by byte.

LOANWORD_HOSTILE is the path of the generator.
"""

import importlib.util
import json
import os
import select
import socket
import threading
import time
import urllib.parse

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from api_server import SomeHost, read_answer, serving
from loanword.extension.webui.api.guard import BASE
from loanword.extension.webui.asgi import bodies

GENERATOR = os.environ.get("LOANWORD_HOSTILE")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not GENERATOR, reason="LOANWORD_HOSTILE names no generator of hostile requests"),
]


def cases():
    if not GENERATOR:
        return []
    spec = importlib.util.spec_from_file_location("hostile_generator", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(json.dumps(module.http_cases()))


CASES = cases()
OF_UVICORN = (b"Invalid HTTP request received.", b"")
"""What it answers itself, before any application: to what is no request, and to a websocket that is not accepted."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOANWORD_LIBRARY", str(folder.parent / "library.sqlite"))
        patch.setattr(bodies, "PATIENCE", 1.0)
        with serving(SomeHost([str(folder)])) as client:
            yield client


@pytest.mark.parametrize("with_token", [True, False], ids=["token", "no-token"])
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_hostile_request_gets_an_allowed_answer(client, case, with_token):
    token = client.service.token if with_token else None
    answers = [answered(client, case, token)]
    if case.get("repeat"):
        answers += at_once(lambda: answered(client, case, token), case["repeat"] - 1)
    for answer in answers:
        assert answer.status in case["expect"], answer
        for name, values in case.get("forbid_header", {}).items():
            assert answer.headers.get(name.lower()) not in values
        for name, value in case.get("require_header", {}).items():
            assert answer.headers.get(name.lower()) == value
        text = answer.content.decode(errors="replace")
        assert case.get("forbid_body", "\0") not in text
        assert "Traceback" not in text
        assert "/tmp" not in text
        assert answer.headers.get("x-content-type-options") == "nosniff" or answer.content in OF_UVICORN


def test_there_are_as_many_requests_as_the_corpus_says():
    assert len(CASES) >= 108


def answered(client, case, token):
    """What the server answers to a case, sent as bytes that no client made any better."""
    headers = {"Host": f"127.0.0.1:{client.port}", **case.get("headers", {})}
    if token:
        headers["X-Loanword-Token"] = token
    body = body_of(case, headers)
    if "Upgrade" in headers:
        headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    path = urllib.parse.quote(case["path"].replace("{api}", BASE), safe="/%?=&:\\~-_.+'()!,;@$*\"<>|^`{}[]#")
    lines = [f"{case['method']} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(head)
        for piece in body:
            if select.select([connection], [], [], 0)[0]:
                break
            try:
                connection.sendall(piece)
            except ConnectionError:
                break
        return read_answer(connection)


def body_of(case, headers):
    """The pieces of a case's body; the headers that go with it are added."""
    if "multipart_filename" in case or case["path"].endswith("/upload"):
        headers.setdefault("Content-Type", "multipart/form-data; boundary=where")
    if "content_length" in case:
        headers["Content-Length"] = str(case["content_length"])
        return [b"x"]
    if case.get("chunked"):
        headers["Transfer-Encoding"] = "chunked"
        return endless(case["bytes"])
    if "drip_s" in case:
        headers["Content-Length"] = "1000"
        return dripping(case["drip_s"])
    if "multipart_filename" in case:
        name = case["multipart_filename"]
        head = f'--where\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        content = head.encode() + b"content\r\n--where--\r\n"
    elif "raw" in case:
        content = case["raw"].encode()
    elif "json" in case:
        headers.setdefault("Content-Type", "application/json")
        content = json.dumps(case["json"]).encode()
    else:
        return []
    headers["Content-Length"] = str(len(content))
    return [content]


def endless(size):
    piece = b"x" * (1 << 20)
    for _ in range(0, size, len(piece)):
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def dripping(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield b"x"
        time.sleep(0.1)


def at_once(work, count):
    """What `work` gives, that many times, all begun before any has ended."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == count
    return answers
