"""What prompts make of the library, as the API answers it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....embeddings.errors import one_line, shortened
from ....embeddings.prompts import PromptNames
from ...clip_tokens import ClipTokens
from ...prompt_report import Known
from ...prompt_report import report as report_of
from ..asgi.refusal import Refusal
from ..catalogue.items import base_model_titled, shown
from ..catalogue.use import fits, use_of
from .answers_inside import PromptReport, Report, UnknownName, Used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ....embeddings.indexed import IndexedFile
    from ...prompt_report import Mention
    from ..catalogue.items import Surroundings
    from ..hosts.host import Host
    from .requests import ReportBody
    from .service import Service

    Entry = Known[tuple[IndexedFile, int]]

LONGEST_PROMPT = 20_000


def report(service: Service, body: ReportBody) -> Report:
    """What a prompt uses, and a negative one."""
    prompts = [body.prompt] if body.negative_prompt is None else [body.prompt, body.negative_prompt]
    if any(len(prompt) > LONGEST_PROMPT for prompt in prompts):
        raise Refusal(413, f"a prompt is at most {LONGEST_PROMPT} characters long here")
    around = service.catalogue.around()
    names = _names(service.library.files(around.folders.paths), around)
    count = _counter(service.host)
    lengths = [service.host.prompt_length(prompt, negative=bool(place)) for place, prompt in enumerate(prompts)]
    return Report([_answer(*each, names, count, around) for each in zip(prompts, lengths, strict=True)])


def _names(files: Iterable[IndexedFile], around: Surroundings) -> PromptNames[Entry]:
    """The embeddings by their names, and by the file's where one is alone; the first of a name has it."""
    names: PromptNames[Entry] = PromptNames()
    for file in files:
        for known in _known(file, around):
            names.add(known.name, known, file.embeddings[known.value[1]].aliases, first=False)
            stem = os.path.splitext(os.path.basename(file.path))[0]
            if len(file.embeddings) == 1 and stem != known.name:
                names.add(stem, known, first=False)
    return names


def _known(file: IndexedFile, around: Surroundings) -> Iterator[Entry]:
    for position, each in enumerate(file.embeddings):
        use = use_of(file, each, around.host, around.loaded)
        yield Known((file, position), each.name, each.tokens, None if use.by else use.why)


def _counter(host: Host) -> Callable[[str], int] | None:
    """What counts tokens, by the vocabulary of the loaded model; None while there is none."""
    table = next(iter(host.token_tables().values()), None)
    return None if table is None else ClipTokens(table.words).count


def _answer(
    prompt: str,
    length: tuple[int, int] | None,
    names: PromptNames[Entry],
    count: Callable[[str], int] | None,
    around: Surroundings,
) -> PromptReport:
    """The answer for one prompt, whose `length` is what the host says."""
    found = report_of(prompt, names, count, length)
    return PromptReport(
        text=prompt,
        tokens=found.length[0] if found.length else found.embedding_tokens,
        used=[_used(each, around) for each in found.mentions],
        unknown=[UnknownName(shown(each.name), [shown(name) for name in each.nearest]) for each in found.unknown],
        sentences=[shortened(one_line(each)) for each in found.sentences],
    )


def _used(mention: Mention[tuple[IndexedFile, int]], around: Surroundings) -> Used:
    file, position = mention.known.value
    embedding = file.embeddings[position]
    return Used(
        around.ids.of("embedding", file.path, position),
        shown(embedding.name),
        shown(mention.written),
        around.folders.place_of(file.path)[1],
        base_model_titled(embedding.base_model),
        embedding.tokens,
        fits(embedding, around.host, around.loaded),
    )
