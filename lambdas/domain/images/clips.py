"""Which files are clips: by the first bytes of the containers that films come in, or by their names.

What FFmpeg makes of them is said in lambdas/domain/video, which functions for images have no use for.
"""

from __future__ import annotations

from pathlib import PurePosixPath

SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv"}
    | {".webm", ".wmv"}
)
"""Of files that are read as clips."""
BEGINNING_BYTES = 400
"""As many as `is_clip` looks at: two packets of an MPEG transport stream."""
_PICTURES = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
"""Brands of ISO base media files that hold pictures: https://mp4ra.org/registered-types/brands"""
_BEGINNINGS = (
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, as Windows Media has it
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
)
_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""That a QuickTime file without an ftyp atom begins with."""
_PACKET = 188
"""Bytes of an MPEG transport stream's packet; on Blu-ray discs 4 more, before it."""


def is_clip(beginning: bytes) -> bool:
    """Whether a file is a clip, by its first BEGINNING_BYTES."""
    kind = beginning[4:8]
    if kind == b"ftyp":
        return beginning[8:12] not in _PICTURES
    is_avi = beginning[:4] == b"RIFF" and beginning[8:12] == b"AVI "
    is_stream = any(
        beginning[first : first + 1] == beginning[first + size : first + size + 1] == b"\x47"
        for first, size in ((0, _PACKET), (4, _PACKET + 4))
    )
    return is_avi or is_stream or kind in _ATOMS or beginning.startswith(_BEGINNINGS)


def is_called_clip(name: str) -> bool:
    """Whether a file is called like a clip."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES
