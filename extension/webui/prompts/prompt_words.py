"""ComfyUI's way of naming embeddings in a host's prompts: `embedding:name` becomes the name that the host knows.

It happens where prompts are taken apart into steps, for pictures and for the token counter: later the colon would be
read as a weight or a step, earlier the infotext would lose what was typed.

Source: A1111 1.10.1 `modules/prompt_parser.py`, `get_learned_conditioning_prompt_schedules`; SD.Next (July 2026)
`modules/prompt_parser_diffusers.py`, `PromptEmbedder`.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ....embeddings.prompts import PromptNames
    from ..hosts.host import Host
    from .patches import Patches
    from .registration import Registration

_ANNOUNCED = re.compile(r"embedding\s*:", re.IGNORECASE)
_SPECIAL = re.compile(r"[()\[\]\\]")


def understand_comfyui(host: Host, registration: Registration, patches: Patches) -> list[str]:
    """Have the host understand `embedding:name`; returns a sentence for each place that is not as expected."""

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        prompts = [each for argument in (*args, *kwargs.values()) for each in _prompts(argument)]
        if not any(map(_ANNOUNCED.search, prompts)):
            return original(*args, **kwargs)
        names = _names(registered_names(host), registration.loading.aliases)
        put = {key: _in_host_words(argument, names) for key, argument in kwargs.items()}
        return original(*(_in_host_words(argument, names) for argument in args), **put)

    lost: list[str] = []
    for module, class_name, function in host.prompt_functions:
        try:
            owner: Any = importlib.import_module(module)
            patches.wrap(getattr(owner, class_name) if class_name else owner, function, around)
        except (ImportError, AttributeError) as error:
            lost.append(f"embedding:name is not understood in prompts of {host.title} ({error}).")
    return lost


def _prompts(argument: Any) -> list[str]:
    """The prompts among the arguments of a host's function: lists of texts, and nothing else."""
    texts = cast("list[Any]", argument) if isinstance(argument, list) else []
    return texts if all(isinstance(each, str) for each in texts) else []


def _in_host_words(argument: Any, names: PromptNames[str]) -> Any:
    return [in_host_words(each, names) for each in _prompts(argument)] or argument


def registered_names(host: Host) -> list[str]:
    """The names that generation knows now; before a model is loaded, those on the host's page."""
    databases = host.live_databases() or host.page_databases()
    return [name for database in databases[:1] for name in database.word_embeddings]


def in_host_words(prompt: str, names: PromptNames[str]) -> str:
    """`prompt` with the plain name for each `embedding:name` that is known; all else as it was."""
    written, end = "", 0
    for each in names.references(prompt):
        if each.syntax == "comfyui" and each.value is not None:
            written += prompt[end : each.start] + _SPECIAL.sub(r"\\\g<0>", each.value)
            end = each.end
    return written + prompt[end:]


def _names(known: Iterable[str], aliases: Mapping[str, str]) -> PromptNames[str]:
    from ....embeddings.prompts import PromptNames, fold

    by_name: dict[str, list[str]] = {name: [] for name in known}
    for alias, name in aliases.items():
        if name in by_name:
            by_name[name].append(alias)
    names: PromptNames[str] = PromptNames()
    for name, others in by_name.items():
        names.add(name, name, [each for each in others if fold(each) != fold(name)], first=False)
    return names
