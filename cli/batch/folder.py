"""A folder of this machine as the source of a batch, and how its images are sent to the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.batch.images import IMAGE_SUFFIXES, MAX_KEY_BYTES, Image, Kind, Remarks, suffix_of
from cli.importing.sources import LocalSource

MAX_FILE_BYTES = 512 * 1024 * 1024
"""More than any image that is looked at in tiles."""
MAX_PREFIX_BYTES = len("batches//images/") + 48
"""Of what stands before a file's path in its key."""


class FolderSource:
    """The images in a folder and below it, which have to be sent first."""

    kind: Kind = "folder"

    def __init__(self, path: Path, data_bucket: str) -> None:
        self.where = str(path.resolve())
        self.root = path.resolve()
        self.remarks = Remarks()
        self._bucket = data_bucket

    @property
    def default_name(self) -> str:
        return self.root.name

    def images(self) -> Iterator[Image]:
        listing = LocalSource(self.root).listing()
        self.remarks.left_out.update(listing.others)
        for problem in listing.problems:
            self.remarks.add_bad(problem.file, problem.detail)
        for name, file in listing.images.items():
            if suffix_of(name) not in IMAGE_SUFFIXES:
                self.remarks.left_out[suffix_of(name)] += 1
            elif len(name.encode()) + MAX_PREFIX_BYTES > MAX_KEY_BYTES:
                self.remarks.add_bad(name, "its path is too long for a key of S3: move it up")
            elif file.size > MAX_FILE_BYTES:
                self.remarks.add_bad(name, f"it has more than {MAX_FILE_BYTES // 1024**2} MB")
            else:
                yield Image(self._bucket, name, size=file.size, file=name, modified=file.modified)
