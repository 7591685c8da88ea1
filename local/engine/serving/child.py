"""The child process of a running model: `python -m local.engine.serving.child DIRECTORY FILE_DESCRIPTOR`.

It looks at several images at once, each in one thread: an image is too little work for several, which take
longer for it and more of the processors' time, most of all on a busy machine. ONNX Runtime runs the model, in
less time and memory than PyTorch, which is loaded for versions alone that were not exported.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.engine import children
from local.engine.serving.detections import Detection
from local.engine.serving.framing import receive, send
from portable import PortableModel
from portable.facts import MODEL_FILE

if TYPE_CHECKING:
    from learning import Prediction

WORKERS = 4


def serve(engine: socket.socket, predict: Callable[[bytes], list[Detection]]) -> None:
    """Say that the child is ready, and answer until the engine is gone."""
    writing = threading.Lock()

    def answer(number: int, image: bytes) -> None:
        try:
            header: dict[str, Any] = {
                "id": number,
                "detections": [vars(detection) for detection in predict(image)],
            }
        except Exception as error:  # noqa: BLE001 - one image that fails must not end the model
            header = {"id": number, "error": repr(error)}
        with writing:
            send(engine, header)

    send(engine, {"ready": True})
    with ThreadPoolExecutor(WORKERS) as pool:
        while True:
            try:
                header, image = receive(engine)
            except OSError:
                os._exit(0)
            pool.submit(answer, header["id"], image)


def load(directory: Path) -> Callable[[bytes], list[Detection]]:
    """The trained model of a version's directory, as a function of an image's bytes.

    A version that was not exported is loaded with PyTorch.

    Raises:
        ValueError: there is no model that can be loaded.
    """
    if (directory / "model" / MODEL_FILE).exists():
        exported = PortableModel.load(directory / "model")
        return lambda body: [Detection(**vars(seen)) for seen in exported.predict(body)]
    return _load_with_torch(directory)


def _load_with_torch(directory: Path) -> Callable[[bytes], list[Detection]]:
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is loaded
    from learning import Model, threads  # noqa: PLC0415 - a large import, for a few models alone

    sys.setswitchinterval(threads.SWITCH_SECONDS)
    model = Model.load(directory / "model")

    def predict(body: bytes) -> list[Detection]:
        predictions, (width, height) = model.predict_sized(io.BytesIO(body))
        return [_detection(prediction, width, height) for prediction in predictions]

    return predict


def _detection(prediction: Prediction, width: int, height: int) -> Detection:
    box = prediction.box
    ratios = (box.left / width, box.top / height, box.width / width, box.height / height) if box else None
    return Detection(prediction.label, float(prediction.confidence), ratios)


def main(directory: Path, fd: int) -> None:
    """Answer for the model in a version's directory; end as soon as the engine is gone."""
    children.end_with_parent()
    serve(socket.socket(fileno=fd), load(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
