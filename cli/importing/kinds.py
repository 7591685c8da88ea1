"""Whether the labels of an import go with those that a deployment has: a snapshot is of one kind."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict

from cli import formatting
from cli.deployment import Deployment
from cli.importing.plan import Plan
from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.shared.annotation import Kind

WORDS: dict[Kind, str] = {"detection": "boxes", "classification": "labels of the whole image"}

NOTHING = frozenset(("none", "nothing", "n/a", "na", "-", "?", "unlabelled", "unlabeled", "unassigned"))
"""What people and programs write where they have no label; it may be one all the same."""
MAX_ALIKE = 10
"""Groups of labels that are shown."""


def warnings(plan: Plan, deployment: Deployment | None) -> list[str]:
    """What makes a part of the labelled images useless for training, one sentence each."""
    given = [item.annotation.kind for item in plan.labelled if item.annotation]
    kinds: Counter[Kind] = Counter(kind for kind in given if kind)
    if not kinds:
        return []
    texts = [*_alike(plan), *_doubtful(plan)]
    if len(kinds) > 1:
        counts = " and ".join(
            f"{formatting.count(count, 'image')} with {WORDS[kind]}" for kind, count in kinds.most_common()
        )
        texts.append(f"{counts} are mixed: a training takes the more frequent kind and leaves the others out")
    usual = snapshot_rows.usual_kind(deployment.catalogue) if deployment else None
    ((kind, _),) = kinds.most_common(1)
    if deployment and usual and usual != kind:
        texts.append(
            f"these are images with {WORDS[kind]}, and most labelled images of {deployment.name} have"
            f" {WORDS[usual]}: a training takes the more frequent kind and leaves the others out"
        )
    return texts


def _doubtful(plan: Plan) -> list[str]:
    """Labels that may be several in one, or stand for having none."""
    labels = sorted(plan.images_by_label())
    texts: list[str] = []
    if several := [label for label in labels if re.search("[,;]", label)]:
        shown = ", ".join(map(repr, several[:3]))
        texts.append(f"{shown}: {_number(several)}; if these are several each, write | between them")
    if nothing := [label for label in labels if label.casefold() in NOTHING]:
        shown = ", ".join(map(repr, nothing[:3]))
        texts.append(f"{shown}: {_number(nothing)}; if nothing is meant, leave the images without a label")
    return texts


def _number(labels: list[str]) -> str:
    return "imported as a label" if len(labels) == 1 else f"imported as {len(labels)} labels"


def _alike(plan: Plan) -> list[str]:
    """Labels that are written differently and may mean the same, of which a model would learn each."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in plan.images_by_label():
        groups[re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", label).casefold())].append(label)
    return [
        f"{', '.join(sorted(labels))} are imported as {len(labels)} labels: write them alike if they mean one"
        for labels in groups.values()
        if len(labels) > 1
    ][:MAX_ALIKE]
