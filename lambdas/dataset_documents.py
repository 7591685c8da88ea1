"""Documents of the dataset's images, which the functions dataset and admin answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lambdas import http
from lambdas.contract import responses
from lambdas.contract.requests import AnswerBox
from lambdas.domain.catalogue.browsing import Page, Wanted
from lambdas.domain.catalogue.history import PastLabels
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.console import thumbnail_links
from lambdas.domain.console.dataset import Opened, Outcome
from lambdas.domain.register.arrivals import INCOMING
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.services import variable

if TYPE_CHECKING:
    from lambdas.domain.console.dataset_report import LatestReport


def line(image: CatalogueImage) -> responses.ImageLine:
    """An image as the wall shows it."""
    return responses.ImageLine(**_members(image))


def page(read: Page, wanted: Wanted) -> responses.ImagePage:
    """A page of the wall."""
    return responses.ImagePage(
        images=[line(image) for image in read.images],
        cursor=read.cursor or None,
        read=read.read,
        searched=read.searched,
        by_content=wanted.by_hash,
    )


def changed(outcome: Outcome) -> responses.ChangedImages:
    """What became of a change of several images."""
    return responses.ChangedImages(
        images=[line(image) for image in outcome.images],
        problems=[responses.ImageProblem(image=sha256, message=why) for sha256, why in outcome.problems],
    )


def opened(known: Opened) -> responses.DatasetImage:
    """An image with all that is known of it."""
    image = known.image
    return responses.DatasetImage(
        **_members(image),
        url=http.presigned_url(image.key),
        bytes=image.bytes,
        format=image.format,
        registered_at=image.registered_at,
        changed_by=image.changed_by,
        sources=sorted(image.sources),
        dataset=known.dataset_type,
        requested_dataset=image.requested_dataset_type,
        conflict_reason=image.conflict_reason,
        original=image.origin.partition("#")[0],
        tiles=list(image.tiles),
        asked_kind=known.kind,
        task=known.task.id if known.task else None,
        history=[_past(state) for state in reversed(known.history)],
    )


def report(latest: LatestReport) -> responses.DatasetReport:
    """The dataset report, with thumbnails of its examples."""
    made, statistics = latest.report, latest.report["statistics"]
    return responses.DatasetReport(
        snapshot=latest.snapshot,
        run=latest.run,
        made_at=latest.made_at,
        verdict=made["verdict"],
        findings=[_finding(finding) for finding in made["findings"]],
        train_images=statistics["images"]["train"],
        test_images=statistics["images"]["test"],
        labels=[_only(responses.ReportLabel, label) for label in statistics["labels"]],
        label_count=statistics["label_count"],
        histograms=[
            responses.ReportHistogram(
                title=histogram["title"],
                unit=histogram["unit"],
                bins=[_only(responses.HistogramBin, bin) for bin in histogram["bins"]],
            )
            for histogram in statistics["histograms"]
        ],
        page_url=http.presigned_url(latest.page_key),
    )


def _finding(finding: Mapping[str, Any]) -> responses.ReportFinding:
    examples = [_example(example) for example in finding["examples"]]
    members: responses.ReportFinding = _only(responses.ReportFinding, {**finding, "examples": examples})
    return members


def _example(example: Mapping[str, Any]) -> responses.ReportExample:
    sha256 = str(example["key"]).rpartition("/")[2].partition(".")[0]
    return responses.ReportExample(
        image=sha256,
        thumbnail=_thumbnail(sha256),
        width=example["width"],
        height=example["height"],
        dataset=example["dataset_type"],
        labels=list(example["labels"]),
        boxes=[AnswerBox(**box) for box in example["boxes"]],
        caption=example["caption"],
    )


def _only(model: Any, members: Mapping[str, Any]) -> Any:
    """The model of those of the members that it has."""
    return model(**{name: members[name] for name in model.__struct_fields__})


def _members(image: CatalogueImage) -> dict[str, Any]:
    """The members of an ImageLine."""
    return {
        "image": image.sha256,
        "name": min(image.sources, default=image.key).removeprefix(INCOMING),
        "thumbnail": _thumbnail(image.sha256),
        "width": image.width,
        "height": image.height,
        "status": image.status,
        "kind": image.kind,
        "labels": list(image.label_names),
        "boxes": _boxes(image.boxes),
        "set_by": image.label_origin,
        "changed_at": image.changed_at,
    }


def _past(state: PastLabels) -> responses.PastImage:
    return responses.PastImage(
        revision=state.revision,
        status=state.status,
        kind=state.kind,
        labels=sorted({box.label for box in state.boxes} | set(state.labels)),
        boxes=_boxes(state.boxes),
        set_by=state.origin,
        changed_at=state.changed_at,
        changed_by=state.changed_by,
    )


def _boxes(boxes: Iterable[Box]) -> list[AnswerBox]:
    return [AnswerBox(**asdict(box)) for box in boxes]


def _thumbnail(sha256: str) -> str:
    return thumbnail_links.link(variable("THUMBNAIL_KEY"), sha256, clock.seconds())
