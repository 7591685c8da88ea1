"""Fits a head to the labelled images, and says which of the others to ask about first.

Within seconds of each answer. What is not new since is not done again, whoever comes twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.domain.catalogue import embeddings
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.embeddings import ImageFeatures
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
    """Of whole images (images, features)."""
    objects: Matrix
    """Of their objects, as far as they have any; else of the whole image (images, features)."""
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

    def refit(self, wanted_at: str) -> list[str] | None:
        """Fit a head, and order the open tasks about unlabelled images: the images whose embeddings are
        missing, or lack their objects. None if that was done after it was wanted."""
        table = self.reviews.table
        before = drafts.head_of(table)
        if before and before.fitted_at >= wanted_at and before.trunk == self.trunk:
            return None
        now = clock.now()
        images, tasks = self._newest_labelled(), list(self.reviews.in_state("open"))
        has_objects = {task.image: bool(task.suggestions.boxes) for task in tasks}
        has_objects |= {image.sha256: bool(image.boxes) for image in images}
        known = self._embeddings(list(has_objects))
        labelled = _labelled(images, known)
        drafts.put_head(table, self._kept(labelled, now))
        order, by = self._order(tasks, labelled, known)
        drafts.put_order(table, order, by)
        return [
            sha256
            for sha256, objects_known in has_objects.items()
            if sha256 not in known or not known[sha256].is_complete(objects_known=objects_known)
        ]

    def choose(self, hashes: Sequence[str], count: int) -> list[str]:
        """So many of these unlabelled images, by their hashes, in the order in which to ask about them. Those
        that people are asked about already are left out."""
        asked = {task.image for task in self.reviews.in_state("open")}
        images = self._newest_labelled()
        pool: dict[str, Seen] = {sha256: () for sha256 in hashes if sha256 not in asked}
        known = self._embeddings([*pool, *(image.sha256 for image in images)])
        order, _ = self._ordered(pool, _labelled(images, known), known, count)
        return order

    def _newest_labelled(self) -> list[CatalogueImage]:
        """The newest labelled images, the oldest of them first."""
        newest = catalogue_images.newest_ids(self.catalogue, "labelled", MAX_IMAGES)[::-1]
        return [
            image
            for start in range(0, len(newest), catalogue_images.MAX_BATCH)
            for image in catalogue_images.get_images(
                self.catalogue, newest[start : start + catalogue_images.MAX_BATCH]
            )
            if image.status == "labelled"
        ]

    def _embeddings(self, hashes: Sequence[str]) -> dict[str, ImageFeatures]:
        return embeddings.get_embeddings(self.catalogue, hashes, self.trunk) if self.trunk else {}

    def _kept(self, labelled: Labelled | None, now: str) -> DraftHead:
        fitted = _fitted(labelled, by_objects=False)
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

    def _order(
        self, tasks: Sequence[Task], labelled: Labelled | None, known: dict[str, ImageFeatures]
    ) -> tuple[list[str], By]:
        """The open tasks about unlabelled images, the first ones to be asked about."""
        tasks = [task for task in tasks if task.reason == "unlabelled"]
        if not tasks:
            return [], ""
        ids = {task.image: task.id for task in tasks}
        seen = {task.image: _detections(task) for task in tasks}
        order, by = self._ordered(seen, labelled, known, MAX_ORDERED)
        return [ids[sha256] for sha256 in order], by

    def _ordered(
        self,
        detections: dict[str, Seen],
        labelled: Labelled | None,
        known: dict[str, ImageFeatures],
        count: int,
    ) -> tuple[list[str], By]:
        """So many images by their hashes, the first ones to be asked about, and what that is told by."""
        share = self.tuning.review_random_share
        hashes = sorted(detections)
        random = [sha256 for sha256 in hashes if choice.is_random(sha256, share)]
        others = [sha256 for sha256 in hashes if not choice.is_random(sha256, share)][:_MAX_POOL]
        chosen, by = _chosen(others, detections, labelled, known, count)
        return choice.interleaved(chosen, random, share)[:count], by

    def draw_curve(self) -> None:
        """Draw the learning curve anew, if there are other labelled images than when it was drawn."""
        images = self._newest_labelled()
        labelled = _labelled(images, self._embeddings([image.sha256 for image in images]))
        if labelled is None or labelled.digest == drafts.curve_digest(self.reviews.table):
            return
        share = self.tuning.review_random_share
        random = np.array([choice.is_random(sha256, share) for sha256 in labelled.hashes])
        curve = learning_curve.draw(labelled.objects, labelled.truth, random)
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


def _labelled(images: Sequence[CatalogueImage], known: Mapping[str, ImageFeatures]) -> Labelled | None:
    """Those of the labelled images that have embeddings; None where no label is left."""
    images = [image for image in images if image.sha256 in known and known[image.sha256].image]
    labels = _most_frequent(images)
    if not labels:
        return None
    hashes = tuple(image.sha256 for image in images)
    truth = np.array([[label in image.label_names for label in labels] for image in images])
    features, objects = (_features(hashes, known, by_objects=by_objects) for by_objects in (False, True))
    return Labelled(hashes, labels, features, objects, truth)


def _features(hashes: Sequence[str], known: Mapping[str, ImageFeatures], *, by_objects: bool) -> Matrix:
    """The features of images (images, features), of the objects of those that have any."""
    packed = [(known[sha256].objects if by_objects else b"") or known[sha256].image for sha256 in hashes]
    return np.array([np.frombuffer(each, "<f2").astype(np.float64) for each in packed])


def _fitted(labelled: Labelled | None, *, by_objects: bool) -> Head | None:
    """The head, once there is something to tell apart."""
    if labelled is None or len(labelled.hashes) < head.MIN_IMAGES:
        return None
    return head.fit(labelled.objects if by_objects else labelled.features, labelled.truth)


def _chosen(
    hashes: Sequence[str],
    detections: Mapping[str, Seen],
    labelled: Labelled | None,
    known: Mapping[str, ImageFeatures],
    count: int,
) -> tuple[list[str], By]:
    with_features = [sha256 for sha256 in hashes if sha256 in known and known[sha256].image]
    by: By = "embeddings"
    if with_features:
        # Of pictures of objects, or of whole images, whichever most have: the two cannot be compared.
        by_objects = 2 * sum(bool(known[sha256].objects) for sha256 in with_features) >= len(with_features)
        pool = _features(with_features, known, by_objects=by_objects)
        fitted = _fitted(labelled, by_objects=by_objects)
        weights = choice.unsureness(fitted, pool) if fitted else np.ones(len(pool))
        if by_objects:
            weights *= choice.weights_of_objects([len(detections[sha256]) for sha256 in with_features])
        before = np.empty((0, pool.shape[1]))
        if labelled:
            before = labelled.objects if by_objects else labelled.features
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
