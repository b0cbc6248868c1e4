"""The Embeddings tab: a single mount point, which the front end in `javascript/` fills.

So the page is the same on every Gradio that a host brings.
"""

from __future__ import annotations

import html
import importlib
from typing import TYPE_CHECKING, Any

from .api.guard import BASE
from .api.page_token import page_token

if TYPE_CHECKING:
    from .hosts.host import Host

TITLE = "Embeddings"
ELEMENT_ID = "loanword"
"""Under which the host knows the tab."""


def tabs(host: Host) -> list[tuple[Any, str, str]]:
    """What a host asks of an extension: pages, with their titles and ids."""
    del host  # all that the page shows of it comes from the API
    return [(blocks(BASE, page_token()), TITLE, ELEMENT_ID)]


def blocks(base: str, token: str) -> Any:
    """A page whose front end talks to the API at `base`, below the host's own address, and shows it `token`."""
    gradio: Any = importlib.import_module("gradio")
    with gradio.Blocks(analytics_enabled=False) as page:
        gradio.HTML(f'<div id="loanword-root" data-base="{html.escape(base)}" data-token="{html.escape(token)}"></div>')
    return page
