"""The API on a real server: a WebUI's application without the WebUI, a host that a test decides about, and clients."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from loanword.converters.indexing import PLACE
from loanword.converters.targets import TARGETS
from loanword.extension.webui.api.guard import BASE
from loanword.extension.webui.api.service import Service
from loanword.extension.webui.hosts.host import Access
from loanword.extension.webui.mounting import mount
from loanword.extension.webui.prompts.usable import READ_BY_HOSTS
from loanword.extension.webui.settings import SETTINGS

JSON = {"Content-Type": "application/json"}


@dataclass
class SomeHost:
    """A WebUI in a state of the test's choice."""

    folders: list[str]
    loras: list[str] = field(default_factory=list)
    loaded: str | None = "sd1"
    tables: dict[str, Any] = field(default_factory=dict)
    image: Any = None
    who: Access = field(default_factory=Access)
    options: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    lengths: dict[tuple[str, bool], tuple[int, int]] = field(default_factory=dict)
    spoken: str = ""
    refreshed: int = 0
    key: str = "a1111"
    target: str = "a1111"
    title: str = TARGETS["a1111"].title

    def embedding_folders(self):
        return self.folders

    def extra_folders(self):
        return []

    def lora_folders(self):
        return self.loras

    def base_model(self):
        return self.loaded

    def model(self):
        return self.loaded

    def reads(self, format_key, container_key, base_model):
        return container_key == "safetensors" and base_model in READ_BY_HOSTS.get(format_key, ())

    def token_tables(self):
        return self.tables

    def language(self):
        return self.spoken

    def prompt_length(self, prompt, *, negative=False):
        return self.lengths.get((prompt, negative))

    def refresh(self):
        self.refreshed += 1

    def last_image(self):
        return self.image

    def access(self):
        return self.who

    def option(self, name):
        return self.options.get(name, SETTINGS[name].default)


def webui_app():
    """An application with what AUTOMATIC1111 puts around its routes."""
    from fastapi import FastAPI
    from starlette.middleware.cors import CORSMiddleware
    from starlette.middleware.gzip import GZipMiddleware

    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(CORSMiddleware, allow_methods=["*"], allow_headers=["*"], allow_credentials=True)

    @app.middleware("http")
    async def timed(request, call_next):
        answer = await call_next(request)
        answer.headers["X-Process-Time"] = "0"
        return answer

    @app.get("/{anything}")
    def page(anything: str):
        return {"page": anything}

    return app


@dataclass
class Answered:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)


@dataclass
class Client:
    """Somebody who calls the API; with the page's token, unless it is taken away."""

    port: int
    host: SomeHost
    service: Service
    headers: dict[str, str] = field(default_factory=dict)

    def but(self, **changes):
        """The same client with other headers; None takes one away."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        kept = {**self.headers, **named}
        return Client(self.port, self.host, self.service, {k: v for k, v in kept.items() if v is not None})

    def send(self, method, path, body=None, headers=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{BASE}{path}", body, {**self.headers, **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answered(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answered(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def get(self, path):
        return self.send("GET", path)

    def post(self, path, body=None):
        return self.send("POST", path, json.dumps({} if body is None else body).encode(), JSON)

    def upload(self, **files):
        boundary = "----where"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in files.items()
        ]
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        return self.send("POST", "/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def finished(self, answer):
        """The state of the job that `answer` began, once it has ended."""
        assert answer.status == 202, answer.content
        return self.ended(answer.json["job"])

    def ended(self, job):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = self.get(f"/jobs/{job}").json
            if state["state"] != "running":
                return state
            time.sleep(0.02)
        raise AssertionError("the job does not end")

    def scanned(self):
        """This client, once the library knows the folders as they are."""
        state = self.finished(self.post("/refresh"))
        assert state["state"] == "done", state
        return self

    def items(self, query=""):
        answer = self.get(f"/embeddings{query}")
        assert answer.status == 200, answer.content
        return answer.json["items"]

    def item(self, name):
        (found,) = [each for each in self.items() if each["name"] == name]
        return found

    def raw(self, request, *, timeout=30.0):
        """The answer to bytes sent as they are."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            return read_answer(connection)


def read_answer(connection):
    """The answer on a connection, up to its declared end or the connection's."""
    content = b""
    while b"\r\n\r\n" not in content:
        piece = connection.recv(65536)
        if not piece:
            break
        content += piece
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)) and (piece := connection.recv(65536)):
        body += piece
    return Answered(int(lines[0].split()[1]), headers, body)


@contextlib.contextmanager
def serving(host, *, app=None, service=None):
    """A client of a server that answers as long as the block runs."""
    import uvicorn

    with contextlib.ExitStack() as closing:
        if service is None:
            service = Service(host)
            closing.callback(service.library.close)
            closing.enter_context(service.uploads)
        app = app or webui_app()
        mount(app, host, service)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Client(port, host, service, {"X-Loanword-Token": service.token})
        finally:
            server.should_exit = True
            thread.join(20)


def basic(name, password):
    """The header of a name and a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def files_below(folder):
    """What every file below a folder holds, by its path from there."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


@contextlib.contextmanager
def serving_folder(folder, **host):
    """The same with a host whose only folder is `folder / "embeddings"`, and a library of its own."""
    place = folder / "embeddings"
    place.mkdir(exist_ok=True)
    before = os.environ.get(PLACE)
    os.environ[PLACE] = str(folder / "library.sqlite")
    try:
        with serving(SomeHost([str(place)], **host)) as client:
            yield client
    finally:
        os.environ.pop(PLACE)
        if before is not None:
            os.environ[PLACE] = before
