"""What loanword needs of a WebUI: one small interface, which a file beside this one implements for each host.

A host whose internals differ loses only the feature concerned: its method gives the empty answer, and `lost` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from ...insight.token_tables import TokenTable
    from .databases import DatabaseKind


@dataclass(frozen=True)
class Access:
    """Who may use the server: `api_auth` are the pairs of --api-auth, `login` Gradio's user names and passwords."""

    api_auth: Mapping[str, str] = field(default_factory=dict[str, str])
    login: Mapping[str, str] = field(default_factory=dict[str, str])
    host_names: tuple[str, ...] = ()
    """Names under which the server may be called beside localhost; those of --server-name and a share link."""
    listens_widely: bool = False
    """Whether it is reached from other machines, so that any IP address may be its name."""


class Host(Protocol):
    """A running WebUI."""

    key: str
    title: str
    target: str
    """Key of the row of TARGETS that says what its reader takes."""
    database_kinds: Sequence[DatabaseKind]
    live_kind: DatabaseKind
    """The kind of database that generation uses."""
    prompt_functions: Sequence[tuple[str, str, str]]
    """Module, class or nothing, and function that all prompts go through on their way to the text encoders."""
    encoding: tuple[str, str, str] | None
    """Module, class and method that make conditioning of prompts and note their embeddings for the infotext.

    None where the host names them once of its own accord.
    """

    @property
    def lost(self) -> Sequence[str]:
        """The features that this host's internals do not allow, a sentence each."""
        ...

    def lose(self, sentences: Sequence[str]) -> None:
        """Add to `lost`."""
        ...

    def embedding_folders(self) -> Sequence[str]:
        """The folders it reads embeddings from, the main one first."""
        ...

    def lora_folders(self) -> Sequence[str]:
        """The folders it reads LoRAs from."""
        ...

    def base_model(self) -> str | None:
        """Key of the base model of the loaded checkpoint; None while none is loaded. Never loads one."""
        ...

    def reads(self, format_key: str, container_key: str, base_model: str | None) -> bool:
        """Whether it reads such a file itself, when a model of that base model is loaded."""
        ...

    def token_tables(self) -> Mapping[str, TokenTable]:
        """Encoder key -> the loaded model's own token table; empty while no model is loaded."""
        ...

    def prompt_length(self, prompt: str, *, negative: bool = False) -> tuple[int, int] | None:
        """The tokens of a prompt as its own counter shows them, and how many its parts have room for.

        None while no model is loaded, or where it does not tell.
        """
        ...

    def refresh(self) -> None:
        """Have it read its embedding folders again, and register what only loanword reads."""
        ...

    def last_image(self) -> Any | None:
        """The last generated picture, a PIL image; None before there is one."""
        ...

    def access(self) -> Access:
        """Who may use the server."""
        ...

    def option(self, name: str) -> Any:
        """The value of one of loanword's settings (`settings.SETTINGS`)."""
        ...

    def language(self) -> str:
        """The name of the localization that its page has; empty for none."""
        ...

    def extra_folders(self) -> Sequence[str]:
        """The folders with embeddings that its settings add to its own."""
        ...

    def model(self) -> Any | None:
        """The loaded model; None while there is none. Never loads one."""
        ...

    def live_databases(self) -> Sequence[Any]:
        """The embedding databases that generation uses, of `live_kind`; none while no model is loaded."""
        ...

    def page_databases(self) -> Sequence[Any]:
        """The embedding databases of its pages and its API, where those are others."""
        ...

    def remember_page(self, database: Any) -> None:
        """One of `page_databases`, which a host keeps in places of its own."""
        ...

    def lora_file(self, name: str) -> str | None:
        """The path of the LoRA that prompts call `name`."""
        ...

    def hashes_files(self) -> bool:
        """Whether it computes hashes of files, which infotexts then name."""
        ...

    def unless_generating(self) -> AbstractContextManager[bool]:
        """Keeps it from generating while the block runs; False where it is generating already."""
        ...

    def infotext_fields(self) -> Sequence[dict[str, Any]]:
        """What generation has noted for the infotext: of earlier prompts of the same picture, and of the last one.

        Empty where that is the host's own affair.
        """
        ...

    def remember_image(self, image: Any) -> None:
        """What `last_image` gives from now on."""
        ...
