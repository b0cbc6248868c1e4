"""LoRAs with embeddings in them: which there are, and putting embeddings in and taking them out, as jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....converters.batch import Found, Outcome
from ....converters.bundles import bundle as write_bundle
from ....converters.bundles import unbundle as write_unbundled
from ....converters.targets import target_named
from ....embeddings.errors import UnknownName, one_line
from ....embeddings.names import safe_filename
from ..api.answers_jobs import Lora, Loras, Started
from ..asgi.refusal import Refusal
from ..catalogue.items import shown
from .conversions import folder_of, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..api.requests import BundleBody, Empty, UnbundleBody
    from ..api.service import Service
    from .jobs import Job

BUNDLE_FORMAT = "lora-bundle"
"""Key of the format of LoRAs that hold embeddings."""
LORA = "lora"


def loras(service: Service, _: Empty) -> Loras:
    """The host's LoRAs, with the embeddings that are in them."""
    folders = [folder for folder in service.host.lora_folders() if os.path.isdir(folder)]
    service.scanning.scan(folders)
    items: list[Lora] = []
    for file in service.library.files(folders):
        bundled = file.format == BUNDLE_FORMAT
        if bundled or file.kind == "not-an-embedding":
            folder = next(each for each in folders if file.path.startswith(os.path.join(os.path.abspath(each), "")))
            name = one_line(os.path.relpath(file.path, folder))
            inside = [shown(each.name) for each in file.embeddings] if bundled else []
            items.append(Lora(service.ids.of(LORA, file.path), os.path.splitext(name)[0], name, inside))
    return Loras(items)


def bundle(service: Service, body: BundleBody) -> Started:
    """Write a LoRA anew with embeddings in it."""
    lora = service.ids.get(LORA, body.lora).path
    if not body.name or safe_filename(body.name) != body.name:
        raise Refusal(422, f"'{shown(body.name)}' cannot be the name of a file; '{safe_filename(body.name)}' can")
    if not body.ids:
        raise Refusal(422, "nothing was chosen")
    catalogue = service.catalogue
    for each in body.ids:
        catalogue.ids.get("embedding", each)
    place = os.path.join(os.path.dirname(lora), f"{body.name}.safetensors")
    return _started(service, "bundle", lora, lambda: [write_bundle(lora, [*map(catalogue.embedding, body.ids)], place)])


def unbundle(service: Service, body: UnbundleBody) -> Started:
    """Write the embeddings inside a LoRA as files of their own."""
    lora = service.ids.get(LORA, body.lora).path
    try:
        target = None if body.program is None else target_named(body.program).key
    except UnknownName as error:
        raise Refusal(422, shown(str(error))) from None
    folder = folder_of(service, body.folder) or service.catalogue.around().folders.paths[0]
    return _started(service, "unbundle", lora, lambda: write_unbundled(lora, folder, target=target))


def _started(service: Service, kind: str, lora: str, work: Callable[[], Iterable[object]]) -> Started:
    def run(job: Job) -> None:
        job.total, job.wrote = 1, True
        job.add(Outcome(Found(lora), "done", tuple(map(str, work()))))
        take_in(service, job)

    return Started(service.jobs.start(kind, run).id)
