"""Learning from scratch: object detectors and image classifiers in PyTorch, for the embedded engine.

A pure library: image files with their truth in, a model and its figures out.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# PyTorch's threads otherwise spin while they wait, and two trainings on the same cores each take more than
# twice as long as they need. Read once, when torch is loaded, so it has to stand before the imports.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from learning.metrics import measure
from learning.types import (
    Box,
    Evaluation,
    Example,
    LabelMetrics,
    Prediction,
    Progress,
    Task,
)

if TYPE_CHECKING:
    from learning.evaluation import evaluate
    from learning.model import Model
    from learning.training import train

_WITH_TORCH = {"Model": "learning.model", "evaluate": "learning.evaluation", "train": "learning.training"}
"""Where that is which needs PyTorch. It is loaded when first asked for: that takes two seconds, and who needs
only figures or files, as the embedded stack's server does, does not wait for it."""

__all__ = [
    "Box",
    "Evaluation",
    "Example",
    "LabelMetrics",
    "Model",
    "Prediction",
    "Progress",
    "Task",
    "evaluate",
    "measure",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WITH_TORCH[name]), name)
