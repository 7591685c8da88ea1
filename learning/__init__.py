"""Learning from scratch: object detectors and image classifiers in PyTorch, for the embedded engine.

A pure library: image files with their truth in, a model and its figures out.
"""

from __future__ import annotations

import os

# PyTorch's threads otherwise spin while they wait, and two trainings on the same cores each take more than
# twice as long as they need. Read once, when torch is loaded, so it has to stand before the imports.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from learning.evaluation import evaluate
from learning.metrics import measure
from learning.model import Model
from learning.training import train
from learning.types import (
    Box,
    Evaluation,
    Example,
    LabelMetrics,
    Prediction,
    Progress,
    Task,
)

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
