"""AUTOMATIC1111's WebUI, reForge and Forge classic, which share its modules.

Source: AUTOMATIC1111 1.10.1 and reForge (March 2026): `modules/sd_hijack.py`, `sd_models.py`, `shared.py`,
`initialize_util.py`, `extensions-builtin/Lora/networks.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from ..prompts.usable import CONTAINERS_OF_HOSTS, READ_BY_HOSTS
from ..settings import PREFIX, SETTINGS, listed
from .databases import A1111_DATABASE, forget_times
from .host import Access
from .prompt_lengths import shown_length
from .token_tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import TypeVar

    from ...insight.token_tables import TokenTable
    from .databases import DatabaseKind

    Answer = TypeVar("Answer")

_BASE_MODELS = {"is_sdxl": "sdxl", "is_sd3": "sd3", "is_sd2": "sd2", "is_sd1": "sd1"}
_LOCAL = frozenset(("", "localhost", "127.0.0.1", "::1"))


class A1111:
    """AUTOMATIC1111 or one of its kin."""

    key = "a1111"
    title = "AUTOMATIC1111"
    target = "a1111"
    database_kinds: Sequence[DatabaseKind] = (A1111_DATABASE,)
    live_kind = A1111_DATABASE
    prompt_functions: Sequence[tuple[str, str, str]] = (
        ("modules.prompt_parser", "", "get_learned_conditioning_prompt_schedules"),
    )
    encoding: tuple[str, str, str] | None = ("modules.sd_hijack_clip", "TextConditionalModel", "forward")

    _pages: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()
    """They stay when "Reload UI" makes a new object of this class."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self._image: Any = None

    def embedding_folders(self) -> Sequence[str]:
        main = str(self._options().embeddings_dir)
        return list(dict.fromkeys((main, *self.extra_folders())))

    def extra_folders(self) -> Sequence[str]:
        """Those of the settings, and those that ComfyUI's file names."""
        return list(dict.fromkeys((*listed(self.option("folders")), *self._comfyui_folders())))

    def lora_folders(self) -> Sequence[str]:
        named = [getattr(self._options(), name, None) for name in ("lora_dir", "lyco_dir_backcompat")]
        return [str(folder) for folder in named if folder and os.path.isdir(folder)]

    def model(self) -> Any | None:
        return self._or_empty("whether a model is loaded", self._model, None)

    def base_model(self) -> str | None:
        model = self.model()
        return next((key for flag, key in _BASE_MODELS.items() if getattr(model, flag, False)), None)

    def reads(self, format_key: str, container_key: str, base_model: str | None) -> bool:
        return container_key in CONTAINERS_OF_HOSTS and base_model in READ_BY_HOSTS.get(format_key, ())

    def live_databases(self) -> Sequence[Any]:
        return self._or_empty("the embedding database", lambda: self._databases(self.model()), [])

    def page_databases(self) -> Sequence[Any]:
        return list(self._pages)

    def remember_page(self, database: Any) -> None:
        self._pages.add(database)

    def token_tables(self) -> Mapping[str, TokenTable]:
        return self._or_empty("the token tables", lambda: tables_of(self._text_encoders(self.model())), {})

    def prompt_length(self, prompt: str, *, negative: bool = False) -> tuple[int, int] | None:
        if self.model() is None:
            return None
        return self._or_empty("how long prompts are", lambda: shown_length(prompt, negative=negative), None)

    def refresh(self) -> None:
        for database in self.page_databases():
            database.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)
        for database in self.live_databases() if self.model() is not None else ():
            forget_times(database)
            database.load_textual_inversion_embeddings()

    def lora_file(self, name: str) -> str | None:
        networks: Any = sys.modules.get("networks")
        known = getattr(networks, "available_network_aliases", {}).get(name)
        return str(known.filename) if known else None

    def hashes_files(self) -> bool:
        return not getattr(self._options(), "no_hashing", False)

    @contextlib.contextmanager
    def unless_generating(self) -> Generator[bool]:
        lock = importlib.import_module("modules.call_queue").queue_lock
        idle = bool(lock.acquire(blocking=False))
        try:
            yield idle
        finally:
            if idle:
                lock.release()

    def infotext_fields(self) -> Sequence[dict[str, Any]]:
        return self._or_empty("what infotexts say of embeddings", self._infotext_fields, [])

    def remember_image(self, image: Any) -> None:
        self._image = image

    def last_image(self) -> Any | None:
        return self._image

    def access(self) -> Access:
        options = self._options()
        name = str(getattr(options, "server_name", None) or "").strip("[]")
        named = [*listed(self.option("host_names")), *([] if name in _LOCAL else [name])]
        widely = bool(getattr(options, "listen", False) or getattr(options, "share", False)) or name not in _LOCAL
        pairs = (each.split(":", 1) for each in str(getattr(options, "api_auth", None) or "").split(","))
        api = {each[0]: each[1] for each in pairs if len(each) == 2}
        return Access(api, self._logins(), tuple(named), widely)

    def option(self, name: str) -> Any:
        shared = importlib.import_module("modules.shared")
        return shared.opts.data.get(PREFIX + name, SETTINGS[name].default)

    def language(self) -> str:
        return str(importlib.import_module("modules.shared").opts.data.get("localization") or "")

    def _options(self) -> Any:
        return importlib.import_module("modules.shared").cmd_opts

    def _model(self) -> Any | None:
        return importlib.import_module("modules.sd_models").model_data.sd_model

    def _databases(self, model: Any) -> list[Any]:
        del model  # there is one database, whatever is loaded
        return [importlib.import_module("modules.sd_hijack").model_hijack.embedding_db]

    def _text_encoders(self, model: Any) -> list[Any]:
        """The model's text encoders with their tokenizers."""
        conditioner = getattr(model, "cond_stage_model", None)
        return list(getattr(conditioner, "embedders", [conditioner]))

    def _infotext_fields(self) -> list[dict[str, Any]]:
        return [importlib.import_module("modules.sd_hijack").model_hijack.extra_generation_params]

    def _logins(self) -> dict[str, str]:
        pairs = importlib.import_module("modules.initialize_util").get_gradio_auth_creds()
        return {each[0]: each[1] for each in pairs if len(each) == 2}

    def _comfyui_folders(self) -> Sequence[str]:
        path = self.option("model_paths")
        if not path:
            return []
        from ...model_paths import embedding_folders

        return self._or_empty("the folders that ComfyUI's list names", lambda: embedding_folders(path), [])

    def _or_empty(self, what: str, ask: Callable[[], Answer], empty: Answer) -> Answer:
        """What `ask` gives; where this version of the host is different inside, `empty`, and a line in `lost`."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001  # the host's own code, of any version
            sentence = f"{self.title} does not tell {what} ({type(error).__name__}: {_without_path(error)})."
            if sentence not in self.lost:
                self.lost.append(sentence)
            return empty

    def lose(self, sentences: Sequence[str]) -> None:
        self.lost += sentences


def _without_path(error: Exception) -> str:
    """What an error says, without the place on the server that its text may name: the tab shows it."""
    if isinstance(error, OSError):
        return error.strerror or "no reason given"
    return str(getattr(error, "message", error))
