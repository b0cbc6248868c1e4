"""Answers to small changes that need no job: notes, previews, cancelling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..asgi.refusal import Refusal
from ..catalogue.previews import set_preview
from ..catalogue.sidecar_texts import remember
from ..catalogue.sidecars import LONGEST_TEXT, write_sidecar
from ..settings import READ_ONLY
from .answers_jobs import Nothing

if TYPE_CHECKING:
    from .answers import Item
    from .requests import Empty, PreviewBody, SidecarBody
    from .service import Service

MOST_TAGS, LONGEST_TAG, LARGEST_WEIGHT = 200, 200, 100.0


def write_notes(service: Service, body: SidecarBody) -> Item:
    """Change what is written about an embedding."""
    _check_allowed(service)
    changes = {name: value for name, value in vars(body).items() if name != "id" and value is not None}
    texts = [text for text in (body.description, body.notes) if text is not None]
    tags, weight = body.tags or [], body.preferred_weight or 0.0
    if any(len(text) > LONGEST_TEXT for text in texts) or len(tags) > MOST_TAGS or not _are_tags(tags):
        raise Refusal(422, f"texts are at most {LONGEST_TEXT} characters long; tags have no commas and are short")
    if not (math.isfinite(weight) and abs(weight) <= LARGEST_WEIGHT):
        raise Refusal(422, f"a weight is at most {LARGEST_WEIGHT:g}")
    path, name = service.catalogue.place(body.id)
    if changes:
        write_sidecar(path, changes, name)
        remember(service.library, path)
    return service.catalogue.item(body.id)


def take_preview(service: Service, body: PreviewBody) -> Item:
    """Make the last generated image the preview of an embedding."""
    _check_allowed(service)
    path, name = service.catalogue.place(body.id)
    image = service.host.last_image()
    if image is None:
        raise Refusal(409, "no image was generated yet")
    set_preview(path, image, name, overwrite=body.overwrite)
    return service.catalogue.item(body.id)


def cancel(service: Service, _: Empty, job: str) -> Nothing:
    """End a job after the file it is at."""
    service.jobs.get(job).cancelled.set()
    return Nothing()


def _check_allowed(service: Service) -> None:
    if service.host.option("sidecars") == READ_ONLY:
        raise Refusal(403, "the settings say that nothing is written beside embeddings")


def _are_tags(tags: list[str]) -> bool:
    return all(0 < len(each.strip()) <= LONGEST_TAG and "," not in each and each.isprintable() for each in tags)
