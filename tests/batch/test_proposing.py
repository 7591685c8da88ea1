"""Which images of a batch are proposed for review, and what that needs of a worker's memory."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lambdas.domain.batch.files import InputLine
from lambdas.domain.batch.proposing import Proposer
from lambdas.domain.detect.champion import Answer
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.batches import begin, put_images
from tests.fixtures.deployment import BUCKET, World


class Counting:
    """S3, which counts how many objects are read at a time."""

    def __init__(self, s3: Any) -> None:
        self._s3, self._lock = s3, threading.Lock()
        self.now = self.most = 0

    def get_object(self, **request: Any) -> Any:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        opened = self._s3.get_object(**request)
        with self._lock:
            self.now -= 1
        return opened

    def put_object(self, **request: Any) -> Any:
        return self._s3.put_object(**request)


def test_images_are_copied_one_at_a_time(world: World) -> None:
    """Each may have as many bytes as are cut into tiles: four of them are more than a worker's memory."""
    world.champion("v1")
    lines = put_images(world, 8)
    batch = begin(world, total=8, review_limit=8)
    s3: Any = Counting(world.s3)
    sqs: Any = world.sqs
    tuning = Tuning.from_dict({"review_confidence_threshold": 60, "review_min_confidence": 10})
    propose = Proposer(sqs, s3, world.loop_state, BUCKET, world.queues["review"], batch, tuning)
    unsure = Answer("v1", batch.version_arn, ({"label": "cat", "confidence": 50.0},))

    def ask(line: InputLine) -> None:
        propose(line, unsure)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, lines))
    proposed = world.loop_state.batch(batch.id)
    assert proposed is not None
    assert proposed.proposed == 8
    assert s3.most == 1
