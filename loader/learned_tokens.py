"""The vectors of learned tokens beside a text encoder's token table, which stays as it is: same weight, same key.

Learned ids are negative. Nothing else uses negative ids, so no vocabulary, however long its table, collides with them,
and CLIP's search for the end token by the highest id (`eos_token_id` 2) still finds the end token. A learned id stands
for a slot (`slot_of`); slots are counted per pipeline, so that one tokenizer may serve two encoders. Each encoder keeps
the vectors of the slots it was given in a module `learned` below its token table: `table` holds vectors, `rows` says
which row of it a slot has. Both are non-persistent buffers: they follow `.to()`, `.half()` and offloading as all
buffers do, and no state dict has them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from ..embeddings.errors import CannotLoad
from .retyping import Retyped, restore, retype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    Module: TypeAlias = torch.nn.Module
    Tensor: TypeAlias = torch.Tensor

FIRST_ID = -1000
"""The id of slot 0; higher slots have lower ids. Ids just below zero mean other things to some programs (-1, -100)."""
SMALLEST_TABLE = 256
"""Rows that a table has at least. It doubles when it is full, so that compiled graphs rarely see a new size."""
NAME = "learned"


def id_of(slot: int) -> int:
    """The token id of a slot."""
    return FIRST_ID - slot


def slot_of(token_id: int) -> int:
    """The slot of a learned token's id."""
    return FIRST_ID - token_id


class LearnsTokens(Retyped):
    """What a token table, of whatever class, gains: it knows the vectors of learned ids.

    An id that another encoder learned is an IndexError, as is any id that is not in the table.
    """

    def __call__(self, ids: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from torch import as_tensor, where
        from torch.nn.functional import embedding

        parent: Any = super()
        vectors: Tensor = parent.__call__(where(ids <= FIRST_ID, 0, ids), *args, **kwargs)
        learned: Any = self.__dict__["_modules"][NAME]
        slots = (FIRST_ID - ids).to(learned.rows.device)
        rows = where(slots >= 0, learned.rows[slots.clamp(min=0)], 0)  # any row for other ids; it is not used
        found = embedding(rows, learned.table).to(vectors)
        scale = getattr(_innermost(self), "embed_scale", None)
        if scale is not None:  # Gemma 3 scales what its table holds
            found = found * as_tensor(scale).to(found)
        return where((ids <= FIRST_ID).unsqueeze(-1).to(vectors.device), found, vectors)

    def __setstate__(self, state: Any) -> None:
        _watch_for_wrappers()
        parent: Any = super()
        parent.__setstate__(state)


def next_slot(encoder: Module) -> int:
    """The first slot above all that the encoder has."""
    held = _held_by(encoder)
    return held.next_slot if held is not None else 0


def reserve(encoder: Module, count: int, slots: int) -> range:
    """Make room for `count` vectors and for slots below `slots`; returns the vectors' rows, which nothing refers to."""
    import torch

    with torch.inference_mode(mode=False):
        held = _held_by(encoder) or _install(encoder)
        gap = next((gap for gap in held.gaps if len(gap) >= count), range(held.end, held.end + count))
        _grow(held, "table", gap.start + count)
        _grow(held, "rows", slots)
    return range(gap.start, gap.start + count)


def learn(encoder: Module, blocks: Sequence[tuple[int, range]]) -> None:
    """Let slots stand for reserved rows: the slots from each start for the rows beside it."""
    import torch

    held = _held_by(encoder)
    slots = [slot for start, rows in blocks for slot in range(start, start + len(rows))]
    with torch.inference_mode(mode=False):
        held.rows[slots] = torch.tensor([row for _, rows in blocks for row in rows], device=held.rows.device)
    for start, rows in blocks:
        held.blocks[start] = rows
        held.next_slot = max(held.next_slot, start + len(rows))
    taken = range(blocks[0][1].start, blocks[-1][1].stop)
    for gap in [gap for gap in held.gaps if gap.start == taken.start]:
        held.gaps.remove(gap)
        if len(gap) > len(taken):
            held.gaps.append(range(taken.stop, gap.stop))
    held.end = max(held.end, taken.stop)


def forget(encoder: Module, start: int) -> None:
    """Remove the vectors of the slots from `start`, and with the last of them all that was ever added."""
    import torch

    held = _held_by(encoder)
    if held is None or start not in held.blocks:
        return
    rows = held.blocks.pop(start)
    if not held.blocks:
        tidy(encoder)
        return
    with torch.inference_mode(mode=False):
        held.rows[start : start + len(rows)] = -1
    if start + len(rows) == held.next_slot:
        held.next_slot = max(first + len(block) for first, block in held.blocks.items())
    if rows.stop == held.end:
        held.end = rows.start
    else:
        held.gaps.append(rows)


def tidy(encoder: Module) -> None:
    """Give the encoder its own token table back where no learned tokens are left."""
    held = _held_by(encoder)
    if held is None or held.blocks:
        return
    for table in _tables(encoder):
        if isinstance(table, LearnsTokens):
            del table.__dict__["_modules"][NAME]
            restore(table)


def write(encoder: Module, rows: range, vectors: Tensor) -> None:
    """Copy `vectors` into reserved rows, rounding to the table's own number type."""
    import torch

    with torch.inference_mode(mode=False), torch.no_grad():
        _held_by(encoder).table[rows.start : rows.stop].copy_(vectors)


def stored(encoder: Module, rows: range) -> Tensor:
    """The vectors in `rows`, as the encoder sees them."""
    return _held_by(encoder).table[rows.start : rows.stop]


def vectors_of(encoder: Module, start: int) -> Tensor | None:
    """The vectors of the slots from `start`, where they were learned as one block."""
    held = _held_by(encoder)
    return stored(encoder, held.blocks[start]) if held is not None and start in held.blocks else None


def width_of(encoder: Module) -> int:
    """The width of the encoder's token vectors."""
    return int(_innermost(_input_embeddings(encoder)).embedding_dim)


def _input_embeddings(encoder: Any) -> Module:
    return encoder.get_input_embeddings()


def _held_by(encoder: Module) -> Any:
    """The module with the learned tokens of `encoder`, or None."""
    return vars(_input_embeddings(encoder))["_modules"].get(NAME)


def _innermost(table: Any) -> Any:
    """The token table inside the wrappers that PEFT puts around it."""
    while (inner := getattr(table, "base_layer", None)) is not None:
        table = inner
    return table


def _tables(encoder: Module) -> list[Module]:
    """Every module that looks up the encoder's token table: T5 has two that share it, PEFT wraps them."""
    import torch

    main = _innermost(_input_embeddings(encoder))
    weight = main.weight

    def shares(table: Any) -> bool:
        if not isinstance(table, torch.nn.Embedding):
            return table is main
        apart = isinstance(weight, torch.Tensor) and weight.is_meta  # offloading unties what it moves
        return table.weight is weight or (apart and table.weight.shape == weight.shape)

    return [module for module in encoder.modules() if shares(_innermost(module))]


def _install(encoder: Module) -> Any:
    import torch

    table: Any = _innermost(_input_embeddings(encoder))
    weight: Any = table.weight() if callable(table.weight) else table.weight
    if weight.is_meta and not hasattr(table, "_hf_hook"):
        raise CannotLoad("the text encoder has no weights yet (it is on the meta device); load its weights first")
    held: Any = torch.nn.Module()
    device = torch.device("cpu") if weight.is_meta else weight.device
    vectors = torch.empty((0, width_of(encoder)), dtype=_dtype(encoder, weight), device=device)
    held.register_buffer("table", vectors, persistent=False)
    held.register_buffer("rows", torch.empty(0, dtype=torch.long, device=device), persistent=False)
    held.train(encoder.training)
    held.blocks, held.gaps, held.end, held.next_slot = {}, [], 0, 0
    _watch_for_wrappers()
    for each in _tables(encoder):
        _teach(each, held)
    return held


def _teach(table: Module, held: Module) -> None:
    table.__dict__["_modules"][NAME] = held
    retype(table, LearnsTokens)


@functools.cache
def _watch_for_wrappers() -> None:
    """From now on, teach what is put around a table that learned tokens (a LoRA on `token_embedding`), too.

    Such a wrapper looks the ids up in a table of its own, so learned ids must not reach it.
    """
    from torch.nn.modules.module import register_module_module_registration_hook

    def teach_wrapper(_parent: Any, _name: str, module: Any) -> None:
        if module is None or isinstance(module, LearnsTokens):
            return
        inner = _innermost(module)
        if isinstance(inner, LearnsTokens):
            _teach(module, inner.__dict__["_modules"][NAME])

    register_module_module_registration_hook(teach_wrapper)


def _dtype(encoder: Any, weight: Tensor) -> Any:
    """The number type to keep vectors in: that of the token table unless it is quantised."""
    import torch

    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    wanted = (weight.dtype, getattr(encoder, "dtype", None))
    return next((dtype for dtype in wanted if dtype in kinds), torch.float32)


def _grow(held: Any, name: str, needed: int) -> None:
    old: Tensor = getattr(held, name)
    if needed <= len(old):
        return
    size = SMALLEST_TABLE
    while size < needed:
        size *= 2
    new = old.new_empty((size, *old.shape[1:]))
    new[: len(old)] = old
    if name == "rows":
        new[len(old) :] = -1
    setattr(held, name, new)
