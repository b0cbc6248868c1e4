"""Files on their way out: an original, or what a job wrote, in one file."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

from ....converters.source import open_source
from ..asgi.answers import Answer, attachment
from ..asgi.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .requests import Empty
    from .service import Service

PIECE = 1024 * 1024
LARGEST_ARCHIVE = 2 * 1024 * 1024 * 1024


def original(service: Service, _: Empty, embedding: str) -> Answer:
    """The file that an embedding is in."""
    path = service.catalogue.place(embedding)[0]
    file = service.library.file(path)
    if file is None or file.kind != "embedding":
        raise Refusal(409, "this file holds no embedding, so it is not sent")
    return _file(path)


def results(service: Service, _: Empty, job: str) -> Answer:
    """What a job wrote: the file, or an archive of several."""
    done = service.jobs.get(job)
    paths = [path for path in done.written if os.path.isfile(path)]
    if not paths or done.state == "running":
        raise Refusal(404, "this job has written nothing that is still there")
    if len(paths) == 1:
        return _file(paths[0])
    if sum(map(os.path.getsize, paths)) > LARGEST_ARCHIVE:
        raise Refusal(413, "the results are too large for an archive; they are in the folder that was chosen")
    return _file(_archived(paths, os.path.join(service.uploads.new_folder(), "loanword.zip")))


def _file(path: str) -> Answer:
    """A file as an attachment, read while it is sent; raises what reading it raises."""
    source = open_source(path)
    size = source.size

    def pieces() -> Iterator[bytes]:
        with source:
            for start in range(0, size, PIECE):
                yield bytes(source.read(start, min(PIECE, size - start)))

    headers = attachment(os.path.basename(path))
    return Answer(media_type="application/octet-stream", headers=headers, pieces=pieces(), length=size)


def _archived(paths: list[str], place: str) -> str:
    top = os.path.commonpath([os.path.dirname(path) for path in paths])
    with zipfile.ZipFile(place, "x", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.write(path, os.path.relpath(path, top))
    return place
