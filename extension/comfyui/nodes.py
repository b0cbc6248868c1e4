"""The nodes that loanword brings; a new one is one more here, and its help page in `web/docs/`."""

from __future__ import annotations

from .embedding_prompt import EMBEDDING_PROMPT
from .file_nodes import BUNDLE, CONVERT, UNBUNDLE
from .inspect_embedding import INSPECT

NODES = (EMBEDDING_PROMPT, INSPECT, CONVERT, BUNDLE, UNBUNDLE)
