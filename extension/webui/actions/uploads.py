"""Files that were sent: what they are, and converting them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from ....converters.batch import Conversion, Found
from ....converters.files import identify
from ....embeddings.errors import one_line, shortened
from ....embeddings.health import examined
from ..api.answers_jobs import Uploaded, UploadedEmbedding, Uploads
from ..asgi.multipart import boundary_of, parts_of
from ..asgi.refusal import Refusal
from ..catalogue.items import base_model_titled, problems, shapes_in, shown
from .conversions import folder_of, form_of, started
from .kept_uploads import check_name

if TYPE_CHECKING:
    from ....embeddings.embedding import Embedding
    from ..api.answers_jobs import Started
    from ..api.requests import UploadConvertBody
    from ..api.service import Service

FIELD = "file"


def files_in(body: IO[bytes], content_type: str) -> list[tuple[str, bytes]]:
    """The files of a form with their names; raises Refusal where one has none that can be kept."""
    files: list[tuple[str, bytes]] = []
    for part in parts_of(body.read(), boundary_of(content_type)):
        if part.field != FIELD:
            raise Refusal(422, f"the form has nothing but files, in fields called {FIELD}")
        files.append((check_name(part.file_name), part.content))
    if not files:
        raise Refusal(422, "the form has no file")
    return files


def upload(service: Service, files: list[tuple[str, bytes]]) -> Uploads:
    """Keep files for a while, and say what they are."""
    return Uploads([_uploaded(service, name, content) for name, content in files])


def convert_upload(service: Service, body: UploadConvertBody, upload: str) -> Started:
    """Convert a file that was sent, into a folder or for download only."""
    kept = service.uploads.get(upload)
    form = form_of(body.program, body.format, body.dtype)
    destination = folder_of(service, body.folder) or service.uploads.new_folder()
    return started(service, "convert-upload", [Found(kept.path)], Conversion(destination, form))


def _uploaded(service: Service, name: str, content: bytes) -> Uploaded:
    kept = service.uploads.add(name, content)
    identity = identify(kept.path)
    message = shortened(one_line(identity.message.removeprefix(f"{one_line(kept.path)}: ")))
    embeddings = [_embedding(each) for each in identity.embeddings]
    return Uploaded(kept.id, kept.name, identity.kind, message, embeddings)


def _embedding(embedding: Embedding) -> UploadedEmbedding:
    codes = examined(embedding).codes
    title = base_model_titled(embedding.base_model)
    return UploadedEmbedding(shown(embedding.name), title, shapes_in(embedding), embedding.tokens, problems(codes))
