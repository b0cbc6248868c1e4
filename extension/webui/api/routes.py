"""The addresses of the API: what is asked at each, what does it, what it answers. A new one is a new row."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..actions import conversions, loras, uploads
from ..asgi.refusal import Refusal
from . import answers, downloads, prompt_reports, reading, requests, writing
from . import answers_inside as inside
from . import answers_jobs as jobs
from .opaque_ids import PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FILE, PICTURE = "application/octet-stream", "image/*"
_NAMES = re.compile(r"{([a-z_]+)}")
_KEYS = {"picture_key": r"[A-Za-z0-9_.-]{1,80}"}


@dataclass(frozen=True)
class Route:
    """An address.

    `asks` are the parameters of a GET or the body of a POST; `work` gets the service, these, and the ids by name.
    """

    method: str
    path: str
    """With {names} for ids, which are handed to `work` under these names."""
    summary: str
    asks: type[Any]
    work: Callable[..., Any]
    answers: type | str
    """A dataclass, or the media type of a file."""
    heavy: bool = False
    """Whether files are parsed or pictures made, of which only one is at a time."""
    status: int = 200
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = _NAMES.sub(lambda name: f"(?P<{name[1]}>{_KEYS.get(name[1], PATTERN)})", self.path)
        object.__setattr__(self, "pattern", re.compile(parts))


UPLOAD = Route(
    "POST",
    "/upload",
    "Send files, to be told what they are",
    requests.Empty,
    uploads.upload,
    jobs.Uploads,
    heavy=True,
)
_ID = "/embeddings/{embedding}"
ROUTES = (
    Route("GET", "/session", "What to begin with", requests.Empty, reading.session, answers.Session),
    Route("GET", "/embeddings", "Search the embeddings", requests.ListQuery, reading.listing, answers.Listing),
    Route("GET", _ID, "All that a file says", requests.Empty, reading.details, answers.Details, heavy=True),
    Route("GET", f"{_ID}/inside", "Look inside", requests.Empty, reading.look_inside, inside.Inside, heavy=True),
    Route(
        "GET",
        f"{_ID}/pictures/{{picture_key}}",
        "A picture of the inside",
        requests.PictureQuery,
        reading.draw,
        PICTURE,
        heavy=True,
    ),
    Route("GET", "/preview/{embedding}", "The preview", requests.Empty, reading.preview, PICTURE),
    Route("GET", "/download/{embedding}", "The original file", requests.Empty, downloads.original, FILE),
    Route("GET", "/loras", "The LoRAs", requests.Empty, loras.loras, jobs.Loras, heavy=True),
    Route("GET", "/jobs/{job}", "How far a job is", requests.Empty, reading.job_state, jobs.JobState),
    Route("GET", "/jobs/{job}/download", "What a job wrote", requests.Empty, downloads.results, FILE),
    Route("POST", "/jobs/{job}/cancel", "End a job", requests.Empty, writing.cancel, jobs.Nothing),
    Route("POST", "/refresh", "Look for new files", requests.Empty, conversions.refresh, jobs.Started, status=202),
    Route("POST", "/convert", "Convert", requests.ConvertBody, conversions.convert, jobs.Started, status=202),
    Route("POST", "/make-safe", "Pickles anew", requests.MakeSafeBody, conversions.make_safe, jobs.Started, status=202),
    Route("POST", "/rename", "Another trigger", requests.RenameBody, conversions.rename, jobs.Started, status=202),
    Route("POST", "/split", "A file each", requests.SplitBody, conversions.split, jobs.Started, status=202),
    Route("POST", "/bundle", "Into a LoRA", requests.BundleBody, loras.bundle, jobs.Started, status=202),
    Route(
        "POST",
        "/unbundle",
        "Out of a LoRA",
        requests.UnbundleBody,
        loras.unbundle,
        jobs.Started,
        status=202,
    ),
    UPLOAD,
    Route(
        "POST",
        "/uploads/{upload}/convert",
        "Convert what was sent",
        requests.UploadConvertBody,
        uploads.convert_upload,
        jobs.Started,
        status=202,
    ),
    Route("POST", "/sidecar", "Change notes", requests.SidecarBody, writing.write_notes, answers.Item),
    Route("POST", "/preview", "Set the preview", requests.PreviewBody, writing.take_preview, answers.Item),
    Route(
        "POST",
        "/report",
        "What prompts use",
        requests.ReportBody,
        prompt_reports.report,
        inside.Report,
        heavy=True,
    ),
)


def route_of(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The one of the routes for an address, and the ids in it; raises Refusal."""
    found = [(route, match) for route in routes if (match := route.pattern.fullmatch(path))]
    for route, match in found:
        if route.method == method:
            return route, match.groupdict()
    if found:
        allowed = ", ".join(route.method for route, _ in found)
        raise Refusal(405, f"only {allowed} is known at this address", headers={"allow": allowed})
    raise Refusal(404, "there is nothing at this address")
