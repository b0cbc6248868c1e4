"""What the Hugging Face Hub answers about one repository, `someone/words`, from memory: files, listings, commits."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REPOSITORY = "someone/words"
API = f"/api/models/{REPOSITORY}"


class Hub:
    """A server with the files of the repository, by path, and what was asked of it; use as a context manager."""

    def __init__(self):
        self.files = {}
        self.requests = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answers,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def entry(self, path):
        if path in self.files:
            content = self.files[path]
            return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        return {"type": "directory", "path": path, "size": 0, "oid": "1" * 40}

    def listing(self, folder):
        start = f"{folder}/" if folder else ""
        below = (name.removeprefix(start) for name in self.files if name.startswith(start))
        return [self.entry(start + name) for name in sorted({name.partition("/")[0] for name in below})]

    def commit(self, lines):
        for line in map(json.loads, lines):
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]


class Answers(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, body, status=200, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def missing(self, what):
        self.say({"error": f"{what} not found"}, 404, X_Error_Code=what)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self):
        body, path = self.body(), unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        if path in (API, f"{API}/revision/main"):
            self.say({"id": REPOSITORY, "sha": "0" * 40, "siblings": []})
        elif found := re.fullmatch(rf"{API}/tree/main/?(.*)", path):
            listing = self.hub.listing(found[1])
            self.say(listing) if listing else self.missing("EntryNotFound")
        elif found := re.fullmatch(rf"/{REPOSITORY}/resolve/main/(.*)", path):
            self.send_file(found[1])
        elif path == f"{API}/preupload/main":
            paths = [each["path"] for each in json.loads(body)["files"]]
            self.say({"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]})
        elif path == f"{API}/commit/main":
            self.hub.commit(body.splitlines())
            self.say({"commitOid": "2" * 40, "commitUrl": f"{self.hub.url}/{REPOSITORY}/commit/{'2' * 40}"})
        else:
            self.missing("RepoNotFound")

    do_GET = do_POST = do_HEAD = answer  # noqa: N815  # as http.server has it

    def send_file(self, path):
        content = self.hub.files.get(path)
        if content is None:
            self.missing("EntryNotFound")
        elif wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or ""):
            start, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
            self.say(content[start : last + 1], 206, Content_Range=f"bytes {start}-{last}/{len(content)}")
        else:
            self.say(content, ETag='"1"', X_Repo_Commit="0" * 40)
