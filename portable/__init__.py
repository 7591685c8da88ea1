"""Models that left PyTorch: they need ONNX Runtime, numpy and Pillow, and nothing else of this project.

The embedded engine and the serving function answer with them, and an exported model is one of them.
"""

from __future__ import annotations

from portable.errors import ModelFileError
from portable.model import PortableModel, Prediction

__all__ = ["ModelFileError", "PortableModel", "Prediction"]
