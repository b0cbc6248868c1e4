"""Who may use the API: the host's own users, this server's own pages, and nobody who was sent here by another site."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import loanword
from api_server import JSON, SomeHost, basic, read_answer, serving, serving_folder, webui_app
from loanword.embeddings.embedding import Embedding
from loanword.extension.webui.api.guard import BASE
from loanword.extension.webui.api.page_token import page_token
from loanword.extension.webui.asgi import bodies
from loanword.extension.webui.asgi.gate import Gate
from loanword.extension.webui.hosts.host import Access
from loanword.extension.webui.mounting import mount
from samples import L

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
API_AUTH = Access(api_auth={"me": "pass:wörd"})
LOGIN = Access(login={"me": "pass"})


@pytest.fixture
def client(tmp_path):
    with serving_folder(tmp_path) as client:
        loanword.write(Embedding("style", {"clip_l": L}), tmp_path / "embeddings" / "style.safetensors")
        yield client


def without_token(client, **headers):
    return client.but(X_Loanword_Token=None, **headers)


def test_on_an_open_server_everyone_reads_and_only_the_page_changes(client):
    stranger = without_token(client)
    assert stranger.get("/embeddings").status == 200
    for path in ("/refresh", "/convert", "/sidecar", "/report"):
        body = {"query": {}, "program": "a1111"} if path == "/convert" else {"id": "x"} if path == "/sidecar" else {}
        body = {"prompt": "x"} if path == "/report" else body
        assert stranger.post(path, body).status == 401
        assert client.but(X_Loanword_Token="x" * 43).post(path, body).status == 401
    assert stranger.upload(**{"x.pt": b"x"}).status == 401
    assert client.post("/refresh").status == 202


def test_a_script_gets_the_token_and_goes_on_with_it(client):
    token = without_token(client).get("/session").json["token"]
    assert without_token(client).but(X_Loanword_Token=token).post("/refresh").status == 202


def test_a_password_of_the_api_is_asked_for_and_does_for_everything(client):
    client.host.who = API_AUTH
    for path in ("/session", "/embeddings", "/openapi.json", f"/download/{'e' * 25}"):
        answer = without_token(client).get(path)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    for wrong in (
        basic("me", "pass"),
        basic("", ""),
        basic("you", "pass:wörd"),
        "Basic !",
        "Bearer x",
        basic("me", ""),
    ):
        assert without_token(client, Authorization=wrong).get("/embeddings").status == 401
        assert without_token(client, Authorization=wrong).post("/refresh").status == 401
    known = without_token(client, Authorization=basic("me", "pass:wörd"))
    assert known.get("/embeddings").status == 200
    assert known.post("/refresh").status == 202
    assert client.get("/embeddings").status == 200


def test_a_stranger_with_a_large_body_is_turned_away_before_it_is_read(client):
    client.host.who = API_AUTH
    head = f"POST {BASE}/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n"
    answer = client.raw(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\nabc".encode())
    assert answer.status == 401


@pytest.mark.parametrize("cookie", ["access-token=", "access-token-unsecure=", "access-token-unsecure-Tz3Q="])
def test_a_login_of_the_page_reads_but_does_not_change(tmp_path, cookie):
    app = webui_app()
    app.auth, app.tokens = {"me": "pass"}, {"cookie-of-me": "me"}  # as Gradio's has them
    with serving(SomeHost([str(tmp_path)], who=LOGIN), app=app) as client:
        stranger = without_token(client)
        assert stranger.get("/session").status == 401
        assert stranger.but(Cookie=f"{cookie}other").get("/session").status == 401
        assert stranger.but(Cookie="theme=cookie-of-me").get("/session").status == 401
        known = stranger.but(Cookie=f"theme=dark; {cookie}cookie-of-me")
        assert known.get("/session").status == 200
        assert known.post("/report", {"prompt": "x"}).status == 401
        assert known.but(X_Loanword_Token=client.service.token).post("/report", {"prompt": "x"}).status == 200


@pytest.fixture
def gradio():
    """The library, with an event loop: where there is none, it makes one and leaves it open."""
    library = pytest.importorskip("gradio")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield library
    asyncio.set_event_loop(None)
    loop.close()


def test_logging_in_to_real_gradio_lets_one_read(tmp_path, gradio):
    with gradio.Blocks() as blocks:
        gradio.HTML("page")
    blocks.auth = [("me", "pass")]
    app = gradio.routes.App.create_app(blocks)
    with serving(SomeHost([str(tmp_path)], who=LOGIN), app=app) as client:
        stranger = without_token(client)
        assert stranger.get("/session").status == 401
        form = urlencode({"username": "me", "password": "pass"}).encode()
        head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(form)}\r\n"
        answer = client.raw(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode() + form)
        assert answer.status == 200
        assert stranger.but(Cookie=answer.headers["set-cookie"].split(";")[0]).get("/session").status == 200


OWN = ["http://127.0.0.1:{port}", "https://127.0.0.1:{port}", "HTTP://127.0.0.1:{port}"]
FOREIGN = [
    *(
        "https://evil.example",
        "null",
        "",
        "file://",
        "http://localhost:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
    ),
    *("http://127.0.0.1:{port}.evil.example", "http://x@127.0.0.1:{port}", "http://127.0.0.1:{port}/", "//127.0.0.1"),
    *("http://[::1].evil.example", "http://[", "http://127.0.0.1:99999999999"),
]


@pytest.mark.parametrize("origin", OWN[:2])
def test_pages_of_this_server_are_answered(client, origin):
    asked = client.but(Origin=origin.format(port=client.port), Sec_Fetch_Site="same-origin")
    assert asked.get("/embeddings").status == 200
    assert asked.post("/refresh").status == 202


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_other_places_are_not(client, origin):
    asked = client.but(Origin=origin.format(port=client.port))
    assert asked.get("/embeddings").status == 403
    assert asked.post("/refresh").status == 403


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200)]
)
def test_what_the_browser_says_of_a_request_counts(client, site, status):
    assert client.but(Sec_Fetch_Site=site).get("/embeddings").status == status


@pytest.mark.parametrize(
    ("host", "access", "status"),
    [
        ("localhost", Access(), 200),
        ("LOCALHOST:{port}", Access(), 200),
        ("127.0.0.1:{port}", Access(), 200),
        ("[::1]:{port}", Access(), 200),
        ("127.0.0.2", Access(), 200),
        ("10.0.0.5:7860", Access(), 421),
        ("10.0.0.5:7860", Access(listens_widely=True), 200),
        ("attacker.example", Access(listens_widely=True), 421),
        ("my.example:443", Access(host_names=("My.Example",)), 200),
        ("my.example.evil.example", Access(host_names=("my.example",)), 421),
        ("localhost.", Access(), 421),
        ("localhost@evil.example", Access(), 421),
        ("", Access(), 421),
        ("127.0.0.1:x", Access(), 421),
        ("0x7f000001", Access(listens_widely=True), 421),
    ],
)
def test_the_server_answers_only_to_its_own_names(client, host, access, status):
    client.host.who = access
    name = host.format(port=client.port)
    assert client.raw(f"GET {BASE}/embeddings HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()).status == status


def test_no_answer_lets_other_sites_read_it(client):
    for answer in (client.get("/embeddings"), client.get("/none"), client.but(Origin="null").get("/embeddings")):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["", "/", "/embeddings/", "/embeddings//", "/%65mbeddings", "/embeddings%2f", "/../v1/embeddings"]
)
def test_an_address_is_taken_as_it_is_written(client, path):
    answer = client.raw(f"GET {BASE}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status == 404
    assert answer.json["error"]["code"] == "not-found"


def test_what_is_beside_the_api_is_the_hosts(client):
    for path in ("/page", f"{BASE}y"):
        answer = client.raw(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        assert answer.headers["x-process-time"] == "0"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(client, method):
    assert client.send(method, "/embeddings").status == 405


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"null",
            b"[]",
            b'"x"',
            b"{",
            b'{"prompt": NaN}',
            b'{"prompt": 1e999}',
            b'{"prompt": "a", "prompt": "b"}',
        ),
        *(b"\xff{}", b'{"prompt": ' + b"1" * 5000 + b"}", b'{"prompt": ' + b"[" * 50 + b"]" * 50 + b"}"),
    ],
)
def test_a_body_that_has_no_one_meaning_is_refused(client, content):
    answer = client.send("POST", "/report", content, JSON)
    assert answer.status in (400, 422)
    assert set(answer.json) == {"error"}


def test_a_header_that_is_given_twice_is_refused(client):
    request = f"GET {BASE}/embeddings HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: null\r\n\r\n"
    assert client.raw(request.encode()).status in (400, 403)


def test_a_body_that_stops_coming_is_given_up(client, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE", 0.5)
    head = f"POST {BASE}/report HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
    began = time.monotonic()
    answer = client.raw(f'{head}Content-Type: application/json\r\n\r\n{{"pro'.encode())
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - began < 10


def test_a_body_is_counted_while_it_comes_in(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        head = "Transfer-Encoding: chunked\r\nContent-Type: application/json"
        connection.sendall(f"POST {BASE}/report HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        for _ in range(40):
            try:
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            except ConnectionError:
                break
        assert read_answer(connection).status == 413


def test_a_connection_goes_on_after_an_answer(client):
    body = json.dumps({"prompt": "x"})
    token = client.service.token
    head = f"POST {BASE}/report HTTP/1.1\r\nHost: localhost\r\nX-Loanword-Token: {token}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert read_answer(connection).status == 200


def test_what_may_wait_is_limited(client, monkeypatch):
    client.scanned()
    go_on = threading.Event()
    monkeypatch.setattr(client.host, "token_tables", lambda: go_on.wait(60) and {}, raising=False)
    (item,) = client.items()
    answers = []
    ask = lambda: answers.append(client.get(f"/embeddings/{item['id']}/inside").status)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(answers) < 21 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answers == [429] * 21
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200] * 9 + [429] * 21


def test_so_many_uploads_at_once_are_taken_and_no_more(client):
    head = f"POST {BASE}/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    begun = f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x".encode()
    with contextlib.ExitStack() as closing:
        for _ in range(9):
            connection = closing.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            connection.sendall(begun)
        deadline = time.monotonic() + 5
        while (answer := client.upload(**{"x.pt": b"x"})).status != 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answer.headers["retry-after"] == "1"
    deadline = time.monotonic() + 5
    while (answer := client.upload(**{"x.pt": b"x"})).status == 429 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status == 200


def test_a_page_that_is_made_anew_finds_jobs_and_ids_as_they_were(client):
    client.scanned()
    job = client.post("/refresh").json["job"]
    (item,) = client.items()
    with serving(client.host, app=webui_app(), service=client.service) as again:
        assert again.ended(job)["state"] == "done"
        assert again.item("style")["id"] == item["id"]
        assert again.post("/refresh").status == 202


def test_mounting_twice_leaves_one_api(client):
    app = webui_app()
    before = len(app.user_middleware)
    for _ in range(3):
        mount(app, client.host, client.service)
    assert len(app.user_middleware) == before + 1


def test_the_page_shows_the_token_that_the_api_asks_for(client):
    assert client.service.token == page_token()
    assert len(page_token()) >= 43


def test_the_name_of_a_shared_link_is_the_servers_own(tmp_path):
    app = webui_app()
    app.blocks = SimpleNamespace(share_url="https://0123.gradio.live")
    with serving(SomeHost([str(tmp_path)]), app=app) as client:
        for name, status in (("0123.gradio.live", 200), ("4567.gradio.live", 421)):
            request = f"GET {BASE}/session HTTP/1.1\r\nHost: {name}\r\nOrigin: https://{name}\r\n\r\n"
            assert client.raw(request.encode()).status == status


def test_a_gate_lets_in_again_whom_it_had_no_room_for():
    import asyncio

    async def twice():
        gate = Gate("test", running=1, waiting=0)
        return [await gate.run(int, "1"), await gate.run(int, "2")]

    assert asyncio.run(twice()) == [1, 2]
