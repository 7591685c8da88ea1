"""What the HTTP API is sent: the bodies of its requests.

They are msgspec structs: checked as strictly as pydantic's, at a fraction of the import (docs/decisions/). A
body has no members but these, and numbers are numbers, not text. What depends on more than one member, or on
what the tables hold, the domain checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from lambdas.contract.base import Request
from lambdas.domain.images.files import MAX_BYTES
from lambdas.domain.review.desk.limits import (
    MAX_CLAIMS,
    MAX_EXAMPLES,
    MAX_INSTRUCTION,
    Verdict,
)
from lambdas.domain.shared.annotation import (
    MAX_BOXES_PER_IMAGE,
    MAX_LABELS_PER_IMAGE,
    Box,
    Kind,
)
from lambdas.domain.shared.reasons import MAX_REASON

if TYPE_CHECKING:
    from lambdas.domain.catalogue.browsing import Wanted
    from lambdas.domain.review.desk.answers import Submission

MAX_THRESHOLDS = 250
"""Labels of a model: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""


class ClaimRequest(Request):
    """How many tasks a reviewer wants."""

    count: Annotated[int, Meta(ge=1, le=MAX_CLAIMS)] = 1
    held: Annotated[list[str], Meta(description="Ids of tasks at hand, which are not claimed again.")] = (
        field(default_factory=list)
    )


class AnswerBox(Struct, forbid_unknown_fields=True):
    """Where a labelled object is, in whole pixels of the upright image."""

    label: str
    left: int
    top: int
    width: int
    height: int


class AnswerRequest(Request):
    """A reviewer's answer: boxes or labels, as the task asks, where the verdict is `labelled`."""

    error_code = "bad_answer"

    verdict: Verdict
    boxes: Annotated[list[AnswerBox], Meta(max_length=MAX_BOXES_PER_IMAGE)] = field(default_factory=list)
    labels: Annotated[list[str], Meta(max_length=MAX_LABELS_PER_IMAGE)] = field(default_factory=list)
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""
    seconds: Annotated[int | float, Meta(description="Time that the answer took the reviewer.")] = 0
    correction: Annotated[
        bool, Meta(description="Whether it supersedes the answer that the reviewer gave before.")
    ] = False

    @property
    def submission(self) -> Submission:
        """The same as the review desk takes it."""
        # Other functions read their requests without the desk.
        from lambdas.domain.review.desk.answers import Submission

        boxes = (Box(box.label, box.left, box.top, box.width, box.height) for box in self.boxes)
        return Submission(self.verdict, tuple(boxes), tuple(self.labels), self.reason, self.seconds)


class SkipRequest(Request):
    """Why a reviewer does not want a task."""

    error_code = "bad_answer"

    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class AssignmentRequest(Request):
    """Who gets a task."""

    reviewer: Annotated[str, Meta(description="The reviewer's subject; empty, the task is freed.")]


class RollbackRequest(Request):
    """The model version to go back to."""

    version: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.\-]{1,255}$")]


class ApprovalRequest(Request):
    """What an administrator says of a version that has passed the gates."""

    decision: Literal["approved", "declined"]
    why: Annotated[
        str,
        Meta(max_length=MAX_REASON, description="For the record; a version that is declined needs one."),
    ] = ""


class ServingRequest(Request):
    """What is wanted of the champion."""

    request: Literal["start", "stop"]
    why: Annotated[str, Meta(max_length=MAX_REASON, description="For the record, and for who sees it.")] = ""


class LabelChange(Request):
    """What changes about a label; members that are missing do not change."""

    error_code = "bad_label"

    colour: Annotated[str, Meta(description="`#rrggbb`; empty, one is chosen.")] | UnsetType = UNSET
    key: Annotated[str, Meta(description="Of the keyboard; empty, one is chosen.")] | UnsetType = UNSET
    instruction: Annotated[str, Meta(max_length=MAX_INSTRUCTION)] | UnsetType = UNSET
    examples: (
        Annotated[
            list[str],
            Meta(max_length=MAX_EXAMPLES, description="SHA-256 of catalogued images."),
        ]
        | UnsetType
    ) = UNSET
    retired: bool | UnsetType = UNSET


class RenameRequest(Request):
    """What a label is called from now on."""

    error_code = "bad_label"

    name: Annotated[str, Meta(description="If there is such a label, the two become one.")]
    cursor: Annotated[str, Meta(max_length=200, description="What the part before gave; empty at first.")] = (
        ""
    )


class TryRequest(Request):
    """The image that is about to be sent to try the champion on."""

    error_code = "bad_image"

    content_type: Literal["image/jpeg", "image/png"]
    size: Annotated[int, Meta(ge=1, le=MAX_BYTES, description="In bytes.")]


class ThresholdRequest(Request):
    """From which confidence on detections of a label count."""

    percent: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Null: from the model's own threshold on."),
    ]


class IssueAnswerRequest(Request):
    """Whether a label that a version contradicts is wrong."""

    error_code = "bad_answer"

    verdict: Annotated[
        Literal["accepted", "rejected"],
        Meta(description="`accepted`: it is wrong, and is mended; `rejected`: it is right."),
    ]
    version: Annotated[str, Meta(min_length=1, max_length=255, description="That contradicts it.")]


_Thresholds = Annotated[
    list[str],
    Meta(
        max_length=MAX_THRESHOLDS,
        description="Confidence (percent) from which on a label's detections count, as in `bolt:80`; repeat"
        " the parameter for each label. Else the deployment's `label_thresholds`, or the model's own.",
    ),
]
_Source = Annotated[
    Literal["", "training", "endpoint"],
    Meta(
        description="The training's own evaluation, or the images that the shadow gate asked the endpoint"
        " about. Else the training's, if it is known."
    ),
]


class EvaluationOptions(Request):
    """What a version is judged by, in the query string."""

    threshold: _Thresholds = field(default_factory=list)
    source: _Source = ""


class MistakeOptions(EvaluationOptions):
    """Which mistakes are wanted, in the query string."""

    kind: Annotated[
        list[Literal["false_positive", "missed", "confusion", "loose", "right"]],
        Meta(max_length=5, description="Repeat the parameter for each. Else every mistake."),
    ] = field(default_factory=list)
    label: Annotated[str, Meta(description="Of the object or of the detection.")] = ""
    truth: Annotated[str, Meta(description="The object's label; empty: where no object is.")] | UnsetType = (
        UNSET
    )
    detected: Annotated[str, Meta(description="The detection's label; empty: where none is.")] | UnsetType = (
        UNSET
    )
    size: Literal["", "small", "medium", "large"] = ""
    min_confidence: Annotated[float, Meta(ge=0, le=100, description="Of the detection, in percent.")] = 0
    max_confidence: Annotated[float, Meta(ge=0, le=100, description="Of the detection, in percent.")] = 100
    offset: Annotated[int, Meta(ge=0, description="How many to pass over.")] = 0


class ComparisonOptions(Request):
    """Which two versions are compared, in the query string."""

    other: Annotated[str, Meta(description="The version to compare with.")]
    change: Annotated[
        Literal["better", "worse"], Meta(description="Whose images are listed: improved or worsened ones.")
    ] = "worse"
    offset: Annotated[int, Meta(ge=0, description="How many images to pass over.")] = 0


class LabelIssueOptions(Request):
    """Which label issues are wanted, in the query string."""

    version: Annotated[
        str, Meta(description="That contradicts the labels. Else the newest version that was evaluated.")
    ] = ""
    after: Annotated[str, Meta(description="The id of the last one of the page before.")] = ""
    kept: Annotated[
        bool, Meta(description="Instead those about labels that somebody has decided about before.")
    ] = False


MAX_CHANGED_IMAGES = 100
MAX_PLANNED_FILES = 100
_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Seen = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=40,
        description="`changed_at` of the image that the change was decided on: who comes second is refused.",
    ),
]


class ImageFilters(Request):
    """Which images of the dataset are wanted, in the query string; what is missing does not matter."""

    label: Annotated[str, Meta(max_length=255)] = ""
    status: Literal["", "unlabelled", "labelled", "conflict", "excluded", "uncut", "original"] = ""
    dataset: Annotated[
        Literal["", "TRAIN", "TEST"], Meta(description="The dataset that the image belongs to.")
    ] = ""
    set_by: Annotated[
        Literal["", "folder", "annotation", "person"], Meta(description="What its labels are from.")
    ] = ""
    size: Annotated[
        Literal["", "small", "medium", "large"],
        Meta(description="The longer side: up to 640 pixels, up to 1,920, more."),
    ] = ""
    text: Annotated[
        str, Meta(max_length=300, description="A part of a key that it came under, or its SHA-256.")
    ] = ""
    near: Annotated[
        str,
        Meta(
            pattern=r"^([0-9a-f]{64})?$",
            description="SHA-256 of an image whose near-duplicates are wanted, as far as they were in a"
            " snapshot.",
        ),
    ] = ""
    before: Annotated[
        str, Meta(pattern=r"^[0-9TZ:.\-]{0,30}$", description="Images that were last changed before then.")
    ] = ""

    @property
    def wanted(self) -> Wanted:
        """The same as the catalogue takes it."""
        from lambdas.domain.catalogue.browsing import Wanted

        return Wanted(
            label=self.label,
            status=self.status,
            dataset_type=self.dataset,
            set_by=self.set_by,
            size=self.size,
            text=self.text.strip(),
            near=self.near,
            before=self.before,
        )


class BrowseOptions(ImageFilters):
    """Which page of which images is wanted, in the query string."""

    cursor: Annotated[str, Meta(max_length=4000, description="What the page before gave.")] = ""


class LabelsRequest(Request):
    """What is on an image; without boxes and labels, that there is nothing on it that has a label."""

    error_code = "bad_answer"

    kind: Kind
    changed_at: _Seen
    boxes: Annotated[list[AnswerBox], Meta(max_length=MAX_BOXES_PER_IMAGE)] = field(default_factory=list)
    labels: Annotated[list[str], Meta(max_length=MAX_LABELS_PER_IMAGE)] = field(default_factory=list)

    @property
    def drawn(self) -> tuple[Box, ...]:
        """The boxes as the catalogue has them."""
        return tuple(Box(box.label, box.left, box.top, box.width, box.height) for box in self.boxes)


class UndoRequest(Request):
    """Which labels an image gets back."""

    changed_at: _Seen
    revision: Annotated[
        int | None, Meta(description="Of a state in its history. Else the one before its own.")
    ] = None


class ReviewRequest(Request):
    """Images to put before reviewers."""

    images: Annotated[list[_Sha256], Meta(min_length=1, max_length=MAX_CHANGED_IMAGES)]


class SeenImage(Struct, forbid_unknown_fields=True):
    """An image in the state in which somebody saw it."""

    image: _Sha256
    changed_at: _Seen


_SeenImages = Annotated[list[SeenImage], Meta(min_length=1, max_length=MAX_CHANGED_IMAGES)]


class ExclusionRequest(Request):
    """Images that are to be left out of the dataset, or to be taken back."""

    images: _SeenImages
    excluded: bool


class RelabelRequest(Request):
    """Images that get another label in the place of one that they have."""

    images: _SeenImages
    before: Annotated[str, Meta(min_length=1, max_length=255)]
    after: Annotated[str, Meta(min_length=1, max_length=255)]


class PlannedFile(Struct, forbid_unknown_fields=True):
    """A file that somebody wants to upload."""

    name: Annotated[str, Meta(min_length=1, max_length=900, description="With its folders.")]
    size: Annotated[int, Meta(ge=0, description="In bytes.")]
    content_type: Annotated[str, Meta(max_length=100)] = "application/octet-stream"
    sha256: Annotated[
        str, Meta(pattern=r"^([0-9a-f]{64})?$", description="Of an image; empty of an annotation file.")
    ] = ""
    label: Annotated[str, Meta(max_length=255, description="Of the whole image; empty if unknown.")] = ""
    annotated: Annotated[
        bool, Meta(description="Whether annotation files are uploaded with it, which may name it.")
    ] = False


class UploadRequest(Request):
    """Files that somebody wants to upload."""

    error_code = "bad_image"

    files: Annotated[list[PlannedFile], Meta(min_length=1, max_length=MAX_PLANNED_FILES)]


class PartsRequest(Request):
    """A large file that is to be sent in parts."""

    key: Annotated[str, Meta(max_length=1024, description="As the plan of the upload gave it.")]
    size: Annotated[int, Meta(ge=1)]
    content_type: Annotated[str, Meta(max_length=100)] = "application/octet-stream"
    upload_id: Annotated[str, Meta(max_length=1024, description="To go on with; empty at first.")] = ""


class CompletionRequest(Request):
    """A file whose parts have been sent."""

    key: Annotated[str, Meta(max_length=1024)]
    size: Annotated[int, Meta(ge=1)]
    upload_id: Annotated[str, Meta(min_length=1, max_length=1024)]
