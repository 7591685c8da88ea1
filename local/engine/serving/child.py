"""The child process of a running model: `python -m local.engine.serving.child DIRECTORY FILE_DESCRIPTOR`.

It looks at several images at once, each in one thread: an image is too little work for PyTorch's own threads,
which take longer for it and more of the processors' time, most of all on a busy machine.
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
    """The trained model of a version's directory, as a function of an image's bytes."""
    from learning import Model  # noqa: PLC0415 - torch is loaded where a model is

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
    # Read when torch is loaded.
    os.environ["OMP_NUM_THREADS"] = "1"
    from learning import threads  # noqa: PLC0415

    sys.setswitchinterval(threads.SWITCH_SECONDS)
    children.end_with_parent()
    serve(socket.socket(fileno=fd), load(directory))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
