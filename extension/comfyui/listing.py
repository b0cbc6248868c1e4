"""ComfyUI's list of embeddings, completed, and loanword's own list with previews for the editor.

Source: ComfyUI 0.3.64, `server.py`: GET /embeddings gives the files' paths without suffix; every route is there once
more below /api.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from typing import TYPE_CHECKING, Any

from ...embeddings.prompt_syntaxes import PROMPT_SYNTAXES
from ...embeddings.prompts import fold
from ...embeddings.text_encoders import BASE_MODELS
from ..webui.api.opaque_ids import OpaqueIds
from ..webui.catalogue.previews import find_preview, read_preview
from .announcements import say_once
from .choices import embeddings_by_label
from .places import shown
from .serving import shelf
from .shelf import listed
from .workflows import without_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .shelf import Contents, Entry

MOST = 200
"""So many are shown in the editor at once; the search finds the others."""
_LISTS = ("/embeddings", "/api/embeddings")
_MARK = "loanword_listing"
_ids = OpaqueIds()


def install() -> list[str]:
    """Complete the server's list and add routes, once; returns what is lost in this ComfyUI, a sentence each."""
    try:
        server: Any = importlib.import_module("server").PromptServer.instance
        middlewares, routes = server.app.middlewares, server.routes
    except (ImportError, AttributeError):
        return ["its list of embeddings does not show what only loanword reads"]
    if not hasattr(server, _MARK):
        setattr(server, _MARK, True)
        middlewares.append(_completing())
        routes.get("/loanword/embeddings")(_choices)
        routes.get("/loanword/previews/{id}")(_preview)
    return []


def _completing() -> Any:
    web: Any = importlib.import_module("aiohttp.web")

    @web.middleware
    async def complete(request: Any, handler: Callable[..., Any]) -> Any:
        response = await handler(request)
        if request.method != "GET" or request.path not in _LISTS or response.status != 200:
            return response
        try:
            names = json.loads(response.body)
            return web.json_response([*names, *await _in_thread(lambda: listed(shelf().refresh(), names))])
        except Exception as error:  # noqa: BLE001  # ComfyUI's own list is better than none
            say_once(f"cannot complete the list of embeddings ({error!r}); please report this")
            return response

    return complete


async def _choices(request: Any) -> Any:
    web: Any = importlib.import_module("aiohttp.web")
    wanted, syntax = fold(request.query.get("search", "")), request.query.get("syntax", "")
    return web.json_response(await _in_thread(lambda: choices(shelf().refresh(), wanted, syntax)))


async def _preview(request: Any) -> Any:
    web: Any = importlib.import_module("aiohttp.web")
    try:
        place = _ids.get("preview", request.match_info["id"]).path
    except Exception:  # noqa: BLE001  # whatever is wrong with an id, there is no such preview
        raise web.HTTPNotFound from None
    found = await _in_thread(lambda: read_preview(place))
    if found is None:
        raise web.HTTPNotFound
    content, kind = found
    return web.Response(body=content, content_type=kind, headers={"X-Content-Type-Options": "nosniff"})


def choices(contents: Contents, wanted: str, syntax: str = "") -> dict[str, Any]:
    """The embeddings whose label or file has the words `wanted` in it, the first of them in full.

    `text` is what to put into a prompt of `syntax`, a key of PROMPT_SYNTAXES; of ComfyUI's where it is none.
    """
    found = [
        (label, entry)
        for label, entry in embeddings_by_label(contents).items()
        if all(word in fold(f"{label} {shown(entry.path)}") for word in wanted.split())
    ]
    models = {file.path: file.embeddings for file in contents.files}
    rows = [
        {
            "name": label,
            "text": _written(entry.name if label == entry.name else _path(entry, contents), syntax),
            "base_model": _model_title(models[entry.path][entry.positions[0]].base_model),
            "tokens": models[entry.path][entry.positions[0]].tokens,
            "file": shown(entry.path),
            "preview": next(_preview_id(entry.path, entry.name, several=len(models[entry.path]) > 1), None),
        }
        for label, entry in found[:MOST]
    ]
    return {"total": len(found), "embeddings": rows}


def _path(entry: Entry, contents: Contents) -> str:
    """A name that says which of the files with that name is meant, where the file has no other embeddings."""
    path = os.path.splitext(shown(entry.path).partition("/")[2])[0]
    file = contents.spellings.get(path)
    return path if file is not None and file.path == entry.path and len(file.embeddings) == 1 else entry.name


def _written(name: str, syntax: str) -> str:
    form = PROMPT_SYNTAXES[syntax].form if syntax in PROMPT_SYNTAXES else "embedding:{}"
    return form.format(name) if form.startswith("<") else without_weights(form.format(name))


def _model_title(key: str | None) -> str:
    return BASE_MODELS[key].title if key else ""


def _preview_id(path: str, name: str, *, several: bool) -> Iterator[str]:
    place = find_preview(path, name if several else None)
    if place:
        yield _ids.of("preview", place)


async def _in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)
