"""What the API works with, as long as the program runs; a page that is made anew finds everything as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....converters.indexing import open_library
from ..actions.jobs import Jobs
from ..actions.kept_uploads import Uploads
from ..catalogue.catalogue import Catalogue
from ..catalogue.scanning import Scanning
from .opaque_ids import OpaqueIds
from .page_token import page_token

if TYPE_CHECKING:
    from ....embeddings.library import Library
    from ..hosts.host import Host


@dataclass
class Service:
    """The state of the API: everything but the host, which changes with each page, is the program's."""

    host: Host
    token: str = field(default_factory=page_token, repr=False)
    ids: OpaqueIds = field(default_factory=OpaqueIds)
    jobs: Jobs = field(default_factory=Jobs)
    uploads: Uploads = field(default_factory=Uploads)

    library: Library = field(default_factory=open_library)
    scanning: Scanning = field(init=False)

    def __post_init__(self) -> None:
        self.scanning = Scanning(self.library)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.host, self.library, self.ids, self.uploads.folders)
