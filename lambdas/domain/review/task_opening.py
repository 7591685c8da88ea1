"""Opening review tasks: for images that nobody has labelled, and for detections worth a review."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.images import tile_choice, tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tile_choice import Part
from lambdas.domain.images.tiles import TilePlan, Tiling
from lambdas.domain.review.desk.desk import DeskError, TaskGoneError, TaskNotFoundError
from lambdas.domain.review.desk.task import Reason, Source, Suggestion, Suggestions, Task, source_of
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import MAX_BOXES_PER_IMAGE, Kind
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.register.arrivals import Arrival
    from lambdas.domain.shared.records import NeededImages

WHY: Mapping[Reason, str] = {
    "unlabelled": "it has no labels yet",
    "low_confidence": "the model is not sure of what it detects",
    "sample": "a random sample of what the model is sure of",
    "requested": "somebody asked for a review",
    "needed": "a test image that is needed to compare model versions",
}
_LABELLED = ("labelled", "conflict")
"""Statuses of images that people, or files, have said something about."""
_MAX_COLLECTED = 2000
"""Unlabelled images that one collection goes through; the next goes on from there."""
_MAX_JOB_IMAGES = 200
"""Images of one labeling job: whoever starts it or reads it does so in one run of a function."""


@frozen
class Seen:
    """What a model version sees in an image, as Detector.detect_labels gives it."""

    labels: Sequence[Mapping[str, Any]]
    version: str
    left_out: Sequence[Mapping[str, Any]] = ()
    """Of these, those that the thresholds keep from the answer."""
    source: Source | Literal[""] = ""
    """What the image was asked about for."""


Ask = Callable[[CatalogueImage], Seen | None]
"""Asks the champion about an image; None if it does not run."""
LabelsMayFollow = Callable[[CatalogueImage], bool]
"""Whether it is too early to ask people about an image."""
Choose = Callable[[Sequence[str], int], Sequence[str]]
"""Chooses among unlabelled images, by their hashes, so many to ask about, the first one first."""


class Opener:
    """Opens tasks as the settings say, each with an execution of the state machine that waits for it."""

    def __init__(
        self, table: ReviewTable, images: Table, stepfunctions: SFNClient, machine_arn: str, tuning: Tuning
    ) -> None:
        self._table, self._images = table, images
        self._stepfunctions, self._machine = stepfunctions, machine_arn
        self._tuning = tuning

    def room(self) -> int:
        """Tasks that can be opened; none where images are not reviewed at all."""
        if self._tuning.review_route == "none":
            return 0
        limit = self._tuning.review_open_limit
        return limit - self._table.count("open", limit=limit)

    def kind(self) -> Kind:
        """What reviewers are asked for: what most labelled images have, which is what is trained."""
        if self._tuning.review_kind == "auto":
            return snapshot_rows.usual_kind(self._images) or "detection"
        return "detection" if self._tuning.review_kind == "detection" else "classification"

    def open(
        self,
        image: CatalogueImage,
        reason: Reason,
        kind: Kind,
        seen: Seen | None,
        *,
        why: str = "",
    ) -> Task | None:
        """Open a task for the image; None if it has one, or had one only just now.

        Where tasks are asked for in batches, the next collection asks.

        Raises:
            botocore.exceptions.ClientError: the execution could not be started; the sweeper starts it.
        """
        seen_by = seen.version if seen else ""
        suggested = suggestions(seen, image, kind) if seen else Suggestions()
        source = seen.source if seen else ""
        return self._open(image, reason, kind, suggested, suggested_by=seen_by, source=source, why=why)

    def _open(
        self,
        image: CatalogueImage,
        reason: Reason,
        kind: Kind,
        suggested: Suggestions,
        *,
        suggested_by: str = "",
        source: Source | Literal[""] = "",
        why: str = "",
    ) -> Task | None:
        task = self._table.open_task(
            Task(
                id="",
                image=image.sha256,
                key=image.key,
                width=image.width,
                height=image.height,
                kind=kind,
                reason=reason,
                why=why or WHY[reason],
                route=self._tuning.review_route,  # pyrefly: ignore[bad-argument-type]
                wanted=self._tuning.review_workers_per_task,
                suggestions=suggested,
                suggested_by=suggested_by,
                source=source,
            ),
            again_before=clock.now() if reason == "requested" else self._not_again(),
        )
        if task and task.route != "groundtruth":
            self.start(task.id, task.route)
        return task

    def reopen(self, id: str, by: str) -> Task:
        """Open another task for the image of a finished one, with the labels that it has: the new task.

        Args:
            by: who asked for it.

        Raises:
            DeskError: there is no such task, its image has an open one, or images are not reviewed here.
        """
        finished = self._table.get(id)
        if finished is None:
            raise TaskNotFoundError(f"there is no review task {id[:60]}")
        if self._tuning.review_route == "none":
            raise DeskError("images are not reviewed here: review_route is none")
        image = catalogue_images.get_image(self._images, finished.image)
        if image is None:
            raise TaskGoneError("the image is not in the catalogue any more")
        task = self._open_again(image, image.kind or finished.kind, f"reopened by {by}")
        if task is None:
            raise DeskError("this image is being reviewed already: its open task is under Tasks")
        return task

    def open_again(self, image: CatalogueImage, by: str) -> Task:
        """Open a task for an image that somebody wants reviewed, with the labels that it has.

        Raises:
            DeskError: images are not reviewed here, this one cannot be, or it is being reviewed already.
        """
        if self._tuning.review_route == "none":
            raise DeskError("images are not reviewed here: review_route is none")
        if image.is_original:
            raise DeskError("the image is too large to be reviewed: its tiles are images of their own")
        if image.status == "excluded":
            raise DeskError("the image is excluded: restore it first")
        task = self._open_again(image, image.kind or self.kind(), f"sent to review by {by}")
        if task is None:
            raise DeskError("this image is being reviewed already: its open task is under Tasks")
        return task

    def _open_again(self, image: CatalogueImage, kind: Kind, why: str) -> Task | None:
        """Open a task for an image that has labels, to have them corrected."""
        return self._open(image, "requested", kind, _labels_of(image, kind), why=why)

    @property
    def in_batches(self) -> bool:
        """Whether people are asked about many images at once, by a labeling job."""
        return self._tuning.review_route == "groundtruth"

    def open_unlabelled(
        self,
        ids: Iterable[str],
        ask: Ask,
        room: int,
        labels_may_follow: LabelsMayFollow = lambda image: False,
    ) -> int:
        """Open tasks for those of the images that are not labelled, as far as there is room: how many."""
        opened = 0
        kind = self.kind()
        batches = iter(ids)
        while opened < room and (batch := list(islice(batches, catalogue_images.MAX_BATCH))):
            for image in catalogue_images.get_images(self._images, batch):
                if opened == room or image.status != "unlabelled" or labels_may_follow(image):
                    continue
                if not self._known(image):
                    # Ground Truth's own functions hand suggestions on to no template.
                    seen = None if self.in_batches else ask(image)
                    opened += self.open(image, "unlabelled", kind, seen) is not None
        return opened

    def open_needed(
        self,
        s3: S3Client,
        arrival: Arrival,
        seen: Seen,
        needed: NeededImages,
        *,
        tiling: Tiling = tiles.DEFAULT,
    ) -> list[Task]:
        """Open a task for a test image that is needed to compare versions; none once there are enough of it.

        Raises:
            GoneError: the image is not there any more.
            UnusableImageError: it cannot be trained with.
        """
        labels = sorted({str(label["label"]) for label in seen.labels} & set(needed.counts))
        for label in labels:
            if self._table.take_needed(needed.version, label, needed.counts[label]):
                why = f"test images of {label} are needed to compare {needed.version} with the champion"
                # Of a large image the tiles that show it.
                of_label = replace(seen, left_out=[each for each in seen.labels if each["label"] == label])
                tasks: list[Task] = []
                try:
                    tasks = self.open_detected(s3, arrival, "needed", of_label, why=why, tiling=tiling)
                finally:
                    # Without room, of an image that is known, or after an error, which is tried again.
                    if not tasks:
                        self._table.leave_needed(needed.version, label)
                return tasks
        return []

    def open_detected(
        self,
        s3: S3Client,
        arrival: Arrival,
        reason: Reason,
        seen: Seen,
        *,
        why: str = "",
        tiling: Tiling = tiles.DEFAULT,
    ) -> list[Task]:
        """Open a task for an image that the champion was asked about; none without room, or if labelled.

        Of an image that is too large to be trained with they are for the tiles that show what the champion is
        unsure of: just what it was asked about, as it would be trained with.

        One that somebody asks for waits in the catalogue then, until a collection finds room for it; if the
        image is labelled, where no collection looks, it is opened in any case, with the labels to be
        corrected. An image that a person excluded is not reviewed.

        Args:
            why: the reason in words; empty: what it is in general.
            tiling: how images are cut that are too large to be trained with.

        Raises:
            GoneError: the image is not there any more.
            UnusableImageError: it cannot be trained with, nor be cut.
        """
        is_full = self.room() <= 0
        if is_full and reason != "requested":
            return []
        seen = replace(seen, source=source_of(arrival.key))
        # All else that opens tasks has no use for it.
        from lambdas.domain.register import registration

        try:
            image = registration.register_in_place(s3, self._images, arrival)
        except UnusableImageError as error:
            if error.reason not in tiles.TOO_LARGE:
                raise
            parts = self._register_parts(s3, arrival, reason, seen, tiling)
        else:
            parts = [(image, seen)]
        tasks = (self._open_detected(image, reason, seen, why, is_full=is_full) for image, seen in parts)
        return [task for task in tasks if task]

    def _register_parts(
        self, s3: S3Client, arrival: Arrival, reason: Reason, seen: Seen, tiling: Tiling
    ) -> list[tuple[CatalogueImage, Seen]]:
        """Register the parts of a large image that people are asked about, each with what was seen in it."""
        from lambdas.domain.register import originals
        from lambdas.domain.register.originals import Cutting

        plans: list[TilePlan] = []

        def choose(plan: TilePlan) -> list[Part]:
            plans.append(plan)
            labels = () if reason == "sample" else self._least_sure_first(seen)
            return tile_choice.showing(plan, labels) or [
                tile_choice.any_of(plan, zlib.crc32(arrival.key.encode()))
            ]

        cutting = Cutting(tiling, self._tuning.tile_min_visible)
        registered = originals.register_parts(s3, self._images, arrival, cutting, choose)
        # Parts that are chosen for what the champion is unsure of are no sample of what it sees.
        source = seen.source if reason == "sample" else ""
        return [
            (image, replace(seen, labels=tile_choice.seen_in(plans[0], part, seen.labels), source=source))
            for part, image in registered
        ]

    def _least_sure_first(self, seen: Seen) -> list[Mapping[str, Any]]:
        """The labels that the champion is unsure of, if there are any."""
        below = self._tuning.review_confidence_threshold
        ordered = sorted(seen.labels, key=lambda label: float(label["confidence"]))
        unsure = [label for label in ordered if label in seen.left_out or label["confidence"] < below]
        return unsure or ordered

    def _open_detected(
        self, image: CatalogueImage, reason: Reason, seen: Seen, why: str, *, is_full: bool
    ) -> Task | None:
        if reason == "requested" and image.status in _LABELLED and self._tuning.review_route != "none":
            return self._open_again(image, image.kind or self.kind(), why)
        if is_full or image.status != "unlabelled":
            return None
        return self.open(image, reason, self.kind(), seen, why=why)

    def collect(
        self,
        ask: Ask,
        labels_may_follow: LabelsMayFollow = lambda image: False,
        choose: Choose = lambda hashes, room: hashes,
    ) -> int:
        """Open tasks for unlabelled images that have none, as far as there is room: how many.

        Goes on where the last collection stopped. What is asked for in batches is asked for now.

        Args:
            choose: chooses among more images than there is room for.
        """
        opened = self._collect(ask, labels_may_follow, choose)
        self._start_batches()
        return opened

    def _collect(self, ask: Ask, labels_may_follow: LabelsMayFollow, choose: Choose) -> int:
        room = self.room()
        if room <= 0:
            return 0
        cursor = self._cursor()
        unlabelled = list(
            islice(catalogue_images.ids(self._images, "unlabelled", after=cursor), _MAX_COLLECTED)
        )
        goes_on_after = unlabelled[-1] if len(unlabelled) == _MAX_COLLECTED else ""
        if len(unlabelled) > room:
            prefix = catalogue_images.image_id("")
            # Some of them may be asked about no more, or not yet.
            chosen = choose([id.removeprefix(prefix) for id in unlabelled], 2 * room)
            unlabelled = [f"{prefix}{sha256}" for sha256 in chosen]
        opened = self.open_unlabelled(unlabelled, ask, room, labels_may_follow)
        self._put_cursor(goes_on_after if opened < room else "")
        return opened

    def start(self, id: str, route: str) -> bool:
        """Start the execution that waits for a task or a batch; starting it twice starts it once.

        Returns:
            whether it was started now.
        """
        waits = {
            "task": id,
            "route": route,
            "timeout_seconds": self._tuning.review_timeout_seconds,
            "heartbeat_seconds": self._tuning.review_heartbeat_seconds,
        }
        try:
            self._stepfunctions.start_execution(
                stateMachineArn=self._machine, name=id, input=json.dumps(waits)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return False
        return True

    def status(self, id: str) -> str | None:
        """Status of the execution that waits for a task or a batch; None if it was never started."""
        execution = f"{self._machine.replace(':stateMachine:', ':execution:')}:{id}"
        try:
            return self._stepfunctions.describe_execution(executionArn=execution)["status"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return None

    def _start_batches(self) -> None:
        """Ask for the tasks that wait for a labeling job; those of one job are of one kind."""
        alone = [
            task
            for task in self._table.in_state("open")
            if task.route == "groundtruth" and not task.execution
        ]
        for kind in ("detection", "classification"):
            ids = iter([task.id for task in alone if task.kind == kind])
            while batch := list(islice(ids, _MAX_JOB_IMAGES)):
                self.start(self._table.put_batch(batch), "groundtruth")

    def _known(self, image: CatalogueImage) -> bool:
        """Whether no task would be opened, so that the champion need not be asked."""
        current = self._table.current_of(image.sha256)
        return current is not None and (current.state == "open" or current.finished_at > self._not_again())

    def _not_again(self) -> str:
        ago = timedelta(seconds=self._tuning.review_cooldown_seconds)
        return clock.to_iso(clock.parse(clock.now()) - ago)

    def _cursor(self) -> str:
        item = self._table.table.get_item(Key={"id": "cursor", "part": "collect"}).get("Item", {})
        return str(item.get("after", ""))

    def _put_cursor(self, after: str) -> None:
        self._table.table.put_item(Item={"id": "cursor", "part": "collect", "after": after})


def _labels_of(image: CatalogueImage, kind: Kind) -> Suggestions:
    """The labels that an image has, to be corrected as suggestions are."""
    if kind == "classification":
        return Suggestions(labels=tuple(Suggestion(label, 100) for label in image.labels))
    boxes = (Suggestion(box.label, 100, box.left, box.top, box.width, box.height) for box in image.boxes)
    return Suggestions(boxes=tuple(boxes))


def suggestions(seen: Seen, image: CatalogueImage, kind: Kind) -> Suggestions:
    """What a model sees, as a reviewer corrects it: boxes in whole pixels, the surest first."""
    surest_first = sorted(seen.labels, key=lambda label: -float(label["confidence"]))
    suggested = [_suggestion(label, image, left_out=label in seen.left_out) for label in surest_first]
    if kind == "classification":
        return Suggestions(labels=tuple(suggested[:MAX_BOXES_PER_IMAGE]))
    boxes = [suggestion for suggestion in suggested if suggestion.width > 1 and suggestion.height > 1]
    return Suggestions(boxes=tuple(boxes[:MAX_BOXES_PER_IMAGE]))


def _suggestion(label: Mapping[str, Any], image: CatalogueImage, *, left_out: bool) -> Suggestion:
    name, confidence = str(label["label"]), float(label["confidence"])
    box = label.get("box")
    if not box:
        return Suggestion(name, confidence, left_out=left_out)
    left, right = _within(box["left"], box["width"], image.width)
    top, bottom = _within(box["top"], box["height"], image.height)
    return Suggestion(name, confidence, left, top, right - left, bottom - top, left_out)


def _within(start: float, length: float, side: int) -> tuple[int, int]:
    first, last = round(start * side), round((start + length) * side)
    return min(max(first, 0), side), min(max(last, 0), side)
