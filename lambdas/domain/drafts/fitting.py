"""Fits a head to the labelled images, and says which of the others to ask about first.

Within seconds of each answer. What is not new since is not done again, whoever comes twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.domain.catalogue import embeddings
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.drafts import choice, head, learning_curve
from lambdas.domain.drafts.head import Head, Matrix, Truth
from lambdas.domain.review.desk import drafts
from lambdas.domain.review.desk.drafts import MAX_LABELS, By, DraftHead
from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MAX_IMAGES = 1000
"""Labelled images that a head is fitted to, the newest ones."""
MAX_ORDERED = 100
"""Tasks in the order that is kept; it is made again after the next answer."""
_MAX_POOL = 1000
Seen = tuple[tuple[str, float], ...]
"""Labels that a model version sees in an image, and its confidences, 0 to 1."""


@frozen
class Labelled:
    """Labelled images with embeddings, in the order in which they were labelled."""

    hashes: tuple[str, ...]
    labels: tuple[str, ...]
    features: Matrix
    truth: Truth

    @property
    def digest(self) -> str:
        """Stands for which images these are, and in which order they were labelled."""
        return hashlib.sha256("".join(self.hashes).encode()).hexdigest()


@frozen
class Fitting:
    """What fits heads, and chooses by them.

    Args:
        trunk: name of the trunk that makes embeddings; empty where there is none.
    """

    catalogue: Table
    reviews: ReviewTable
    tuning: Tuning
    trunk: str

    def refit(self, wanted_at: str) -> bool:
        """Fit a head, and order the open tasks about unlabelled images: False if that was done after it was
        wanted."""
        table = self.reviews.table
        before = drafts.head_of(table)
        if before and before.fitted_at >= wanted_at and before.trunk == self.trunk:
            return False
        now = clock.now()
        labelled = self._labelled()
        fitted = _fitted(labelled)
        drafts.put_head(table, self._kept(labelled, fitted, now))
        tasks, by = self._order(labelled, fitted)
        drafts.put_order(table, tasks, by)
        return True

    def choose(self, hashes: Sequence[str], count: int) -> list[str]:
        """So many of these unlabelled images, by their hashes, in the order in which to ask about them. Those
        that people are asked about already are left out."""
        asked = {task.image for task in self.reviews.in_state("open")}
        labelled = self._labelled()
        pool: dict[str, Seen] = {sha256: () for sha256 in hashes if sha256 not in asked}
        order, _ = self._ordered(pool, labelled, _fitted(labelled), count)
        return order

    def looked_at(self) -> list[str]:
        """The images that drafts are for and are learned from, by their hashes: those of open tasks, the
        newest labelled ones."""
        asked = [task.image for task in self.reviews.in_state("open")]
        ids = catalogue_images.newest_ids(self.catalogue, "labelled", MAX_IMAGES)
        return [*asked, *(id.removeprefix(catalogue_images.image_id("")) for id in ids)]

    def _labelled(self) -> Labelled | None:
        """The newest labelled images."""
        newest = catalogue_images.newest_ids(self.catalogue, "labelled", MAX_IMAGES)[::-1]
        images = [
            image
            for start in range(0, len(newest), catalogue_images.MAX_BATCH)
            for image in catalogue_images.get_images(
                self.catalogue, newest[start : start + catalogue_images.MAX_BATCH]
            )
            if image.status == "labelled"
        ]
        known = self._embeddings([image.sha256 for image in images])
        images = [image for image in images if image.sha256 in known]
        labels = _most_frequent(images)
        if not labels:
            return None
        truth = np.array([[label in image.label_names for label in labels] for image in images])
        features = np.array([known[image.sha256] for image in images])
        return Labelled(tuple(image.sha256 for image in images), labels, features, truth)

    def _embeddings(self, hashes: Sequence[str]) -> dict[str, Matrix]:
        if not self.trunk:
            return {}
        known = embeddings.get_embeddings(self.catalogue, hashes, self.trunk)
        return {
            sha256: np.frombuffer(features, "<f2").astype(np.float64)
            for sha256, features in known.items()
            if features
        }

    def _kept(self, labelled: Labelled | None, fitted: Head | None, now: str) -> DraftHead:
        if labelled is None or fitted is None or not self.tuning.review_drafts:
            return DraftHead(self.trunk, len(labelled.hashes) if labelled else 0, now)
        known = np.flatnonzero(fitted.known) if fitted.slope else np.array([], int)
        return DraftHead(
            trunk=self.trunk,
            images=len(labelled.hashes),
            fitted_at=now,
            exclusive=fitted.exclusive,
            labels=tuple(labelled.labels[number] for number in known),
            bias=tuple(fitted.bias[known].tolist()),
            slope=fitted.slope,
            offset=fitted.offset,
            weights=fitted.weights[:, known].T.astype("<f2").tobytes(),
        )

    def _order(self, labelled: Labelled | None, fitted: Head | None) -> tuple[list[str], By]:
        """The open tasks about unlabelled images, the first ones to be asked about."""
        tasks = [task for task in self.reviews.in_state("open") if task.reason == "unlabelled"]
        if not tasks:
            return [], ""
        ids = {task.image: task.id for task in tasks}
        seen = {task.image: _detections(task) for task in tasks}
        order, by = self._ordered(seen, labelled, fitted, MAX_ORDERED)
        return [ids[sha256] for sha256 in order], by

    def _ordered(
        self,
        detections: dict[str, Seen],
        labelled: Labelled | None,
        fitted: Head | None,
        count: int,
    ) -> tuple[list[str], By]:
        """So many images by their hashes, the first ones to be asked about, and what that is told by."""
        share = self.tuning.review_random_share
        hashes = sorted(detections)
        random = [sha256 for sha256 in hashes if choice.is_random(sha256, share)]
        others = [sha256 for sha256 in hashes if not choice.is_random(sha256, share)][:_MAX_POOL]
        chosen, by = self._chosen(others, detections, labelled, fitted, count)
        return choice.interleaved(chosen, random, share)[:count], by

    def _chosen(
        self,
        hashes: Sequence[str],
        detections: dict[str, Seen],
        labelled: Labelled | None,
        fitted: Head | None,
        count: int,
    ) -> tuple[list[str], By]:
        known = self._embeddings(hashes)
        with_features = [sha256 for sha256 in hashes if sha256 in known]
        by: By = "embeddings"
        if with_features:
            pool = np.array([known[sha256] for sha256 in with_features])
            weights = choice.unsureness(fitted, pool) if fitted else np.ones(len(pool))
            before = labelled.features if labelled else np.empty((0, pool.shape[1]))
        else:
            with_features = [sha256 for sha256 in hashes if detections[sha256]]
            if not with_features:
                return list(hashes), "chance"
            by = "detections"
            pool, weights = _of_detections([detections[sha256] for sha256 in with_features])
            before = np.empty((0, pool.shape[1]))
        rows = choice.choose(pool, before, weights, count)
        chosen = [with_features[row] for row in rows]
        return [*chosen, *(sha256 for sha256 in hashes if sha256 not in set(chosen))], by

    def draw_curve(self) -> None:
        """Draw the learning curve anew, if there are other labelled images than when it was drawn."""
        labelled = self._labelled()
        if labelled is None or labelled.digest == drafts.curve_digest(self.reviews.table):
            return
        share = self.tuning.review_random_share
        random = np.array([choice.is_random(sha256, share) for sha256 in labelled.hashes])
        curve = learning_curve.draw(labelled.features, labelled.truth, random)
        if curve is None:
            return
        document: dict[str, Any] = {
            "points": [asdict(point) for point in curve.points],
            "gain": asdict(curve.gain),
            "images": len(labelled.hashes),
            "random_images": curve.random_images,
            "margin": self.tuning.f1_margin,
            "will_not_help": curve.gain.will_not_help(self.tuning.f1_margin),
            "drawn_at": clock.now(),
        }
        drafts.put_curve(self.reviews.table, document, labelled.digest)


def _fitted(labelled: Labelled | None) -> Head | None:
    """The head, once there is something to tell apart."""
    if labelled is None or len(labelled.hashes) < head.MIN_IMAGES:
        return None
    return head.fit(labelled.features, labelled.truth)


def _most_frequent(images: Sequence[CatalogueImage]) -> tuple[str, ...]:
    counted: dict[str, int] = {}
    for image in images:
        for label in image.label_names:
            counted[label] = counted.get(label, 0) + 1
    frequent = sorted(counted, key=lambda label: (-counted[label], label))[:MAX_LABELS]
    return tuple(sorted(frequent))


def _detections(task: Task) -> Seen:
    """What a model version sees in a task's image: labels and confidences, 0 to 1."""
    if not task.suggested_by:
        return ()
    seen = (*task.suggestions.boxes, *task.suggestions.labels)
    return tuple((one.label, one.confidence / 100) for one in seen)


def _of_detections(images: Sequence[Seen]) -> tuple[Matrix, Matrix]:
    """Detections as features: how many there are of each label; and how unsure the least sure one is, 0 to
    1."""
    labels = sorted({label for seen in images for label, _ in seen})
    numbers = np.array([[sum(one == label for one, _ in seen) for label in labels] for seen in images])
    unsure = [max(4 * confidence * (1 - confidence) for _, confidence in seen) for seen in images]
    return np.sqrt(numbers), np.array(unsure)
