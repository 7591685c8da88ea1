"""How right a model version is in production, by day, by label and by what images it was asked about.

It is read from what `precision.counts` has added with each result: one query, however many reviews there
were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast, get_args

from boto3.dynamodb.conditions import Key

from lambdas.domain.review.desk.task import Source
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.results.precision import Precision, Stratum
from lambdas.domain.shared.dynamodb import query_pages
from lambdas.domain.shared.frozen import frozen

SOURCES: tuple[Source, ...] = get_args(Source)
STRATA: tuple[Stratum, ...] = get_args(Stratum)


@frozen
class Kind:
    """Images that were judged together: what they were asked about for, and whether the model was sure."""

    source: Source
    stratum: Stratum


Judged = Mapping[Kind, Precision]


@dataclass(frozen=True)
class ProductionReviews:
    """What reviewers said of a version's detections in production."""

    days: Mapping[str, Judged]
    """By the day on which the image came to review, oldest first."""
    labels: Mapping[str, Judged]

    def in_all(self) -> Judged:
        """Of all days together."""
        return merged(self.days.values())


def merged(parts: Iterable[Judged]) -> Judged:
    """Several of them as one."""
    together: dict[Kind, Precision] = {}
    for part in parts:
        for kind, judged in part.items():
            together[kind] = together.get(kind, Precision()) + judged
    return together


def read(table: ReviewTable, version: str) -> ProductionReviews:
    """What is known of a version."""
    days: defaultdict[str, dict[Kind, Precision]] = defaultdict(dict)
    labels: defaultdict[str, dict[Kind, Precision]] = defaultdict(dict)
    query: dict[str, Any] = {"KeyConditionExpression": Key("id").eq(f"precision#{version}")}
    for page in query_pages(table.table, query):
        for item in page["Items"]:
            what, _, rest = str(item["part"]).partition("#")
            if what == "day":
                day, source, stratum = rest.split("#")
                days[day][_kind(source, stratum)] = of_item(item)
            elif what == "label":
                source, stratum, label = rest.split("#", 2)
                labels[label][_kind(source, stratum)] = of_item(item)
    return ProductionReviews(dict(sorted(days.items())), dict(sorted(labels.items())))


def of_item(item: Mapping[str, Any]) -> Precision:
    """What an item of the table counts."""
    return Precision(*(int(item.get(field.name, 0)) for field in fields(Precision)))


def _kind(source: str, stratum: str) -> Kind:
    return Kind(cast("Source", source), cast("Stratum", stratum))
