"""The dataset: its images page by page, one of them with all that is known of it, and corrections."""

# What some routes need they import themselves: the others would wait for it at a cold start.
from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas import http
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, REVIEWERS, Caller
from lambdas.review_documents import offered_labels, present_names
from lambdas.services import services, variable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.contract import responses
    from lambdas.contract.requests import (
        BrowseOptions,
        ImageFilters,
        LabelsRequest,
        ReviewRequest,
        UndoRequest,
    )

logger = Logger()
app = http.Api(REVIEWERS, ADMINISTRATORS)


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event)


@app.get("/api/images")
def list_images(caller: Caller, options: BrowseOptions) -> responses.ImagePage:
    """A page of the images of the dataset that all filters let through."""
    from lambdas import dataset_documents
    from lambdas.domain.catalogue import browsing
    from lambdas.domain.catalogue.errors import CatalogueError

    wanted = options.wanted
    try:
        page = browsing.page(services().catalogue, wanted, options.cursor)
    except browsing.BadCursorError as error:
        raise ApiError(422, "bad_request", str(error), "cursor") from error
    except CatalogueError as error:
        raise ApiError(422, "bad_request", str(error), "near") from error
    return dataset_documents.page(page, wanted)


@app.get("/api/images/count")
def count_images(caller: Caller, options: ImageFilters) -> responses.ImageCount:
    """How many images all filters let through, as far as an index can tell."""
    from lambdas.contract import responses
    from lambdas.domain.catalogue import browsing

    number = browsing.count(services().catalogue, options.wanted)
    return responses.ImageCount(count=number, more=number is not None and number >= browsing.MAX_COUNTED)


@app.get("/api/images/{image}")
def read_image(caller: Caller, image: str) -> responses.DatasetImage:
    """An image with all that is known of it."""
    return _document(image)


@app.put("/api/images/{image}/labels")
def put_image_labels(caller: Caller, image: str, body: LabelsRequest) -> responses.DatasetImage:
    """Say what is on an image: it counts for the next training."""
    from lambdas.domain.console import dataset

    dataset.correct(
        services().catalogue,
        image,
        body.kind,
        body.drawn,
        tuple(body.labels),
        usable=_usable(),
        by=caller.name,
        seen=body.changed_at,
    )
    return _document(image)


@app.post("/api/images/{image}/undo")
def undo_image(caller: Caller, image: str, body: UndoRequest) -> responses.DatasetImage:
    """Give an image the status and labels back that it had before."""
    from lambdas.domain.console import dataset

    dataset.undo(
        services().catalogue,
        image,
        body.revision,
        names=present_names(),
        by=caller.name,
        seen=body.changed_at,
    )
    return _document(image)


@app.post("/api/images/review")
def send_images_to_review(caller: Caller, body: ReviewRequest) -> responses.ChangedImages:
    """Put images before reviewers, with the labels that they have."""
    from lambdas import dataset_documents
    from lambdas.domain.console import dataset
    from lambdas.domain.review.task_opening import Opener

    s = services()
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), s.tuning())
    return dataset_documents.changed(dataset.send_to_review(s.catalogue, opener, body.images, caller.name))


@app.get("/api/dataset-report")
def read_dataset_report(caller: Caller) -> responses.DatasetReport:
    """The dataset report of the newest snapshot that has one."""
    from lambdas import dataset_documents
    from lambdas.domain.console import dataset_report

    s = services()
    return dataset_documents.report(dataset_report.latest(s.s3, s.bucket, s.loop_state))


def _document(image: str) -> responses.DatasetImage:
    from lambdas import dataset_documents
    from lambdas.domain.console import dataset

    return dataset_documents.opened(dataset.open_image(services().catalogue, services().reviews, image))


def _usable() -> Collection[str]:
    from lambdas.domain.review.desk import labels

    return labels.usable(offered_labels())
