"""What loanword needs of a WebUI: one small interface, which a file beside this one implements for each host.

A host whose internals differ loses only the feature concerned: its method gives the empty answer, and `lost` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...insight.token_tables import TokenTable


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

    @property
    def lost(self) -> Sequence[str]:
        """The features that this host's internals do not allow, a sentence each."""
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
