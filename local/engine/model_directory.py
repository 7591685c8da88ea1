"""Where a model version's files are kept: what its training needs and leaves, and what its endpoint reads."""

from __future__ import annotations

import hashlib
from pathlib import Path


def version_directory(state: Path, version_arn: str) -> Path:
    """The directory of a version below the engine's state directory."""
    return state / "versions" / hashlib.sha256(version_arn.encode()).hexdigest()[:32]
