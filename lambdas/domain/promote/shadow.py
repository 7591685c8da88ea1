"""Shadow evaluation: test images sent through a real endpoint before it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.costs import budget
from lambdas.domain.engines import evaluation_images, versions
from lambdas.domain.engines.evaluation_images import Evaluated, Pairs
from lambdas.domain.engines.port import (
    NOT_SERVING,
    STARTABLE,
    UNREADABLE_IMAGE,
    EngineError,
    LimitReachedError,
    NotYetError,
    Version,
)
from lambdas.domain.evaluation import shadow_answers
from lambdas.domain.evaluation.shadow_answers import Answers, Detections
from lambdas.domain.promote import crossing, production_images, promotion, shadow_gate
from lambdas.domain.promote.scoring import GroundTruth, count, score
from lambdas.domain.promote.shadow_gate import ChampionAnswers, Rival
from lambdas.domain.shared import clock, comparison, lineage, manifests
from lambdas.domain.shared.annotation import Kind
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.comparison import Comparison, Rates
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Champion, ModelVersion, NeededImages
from lambdas.domain.shared.scores import Scores, Verdict
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.domain.snapshot.split import BACKGROUND

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine


@frozen
class ShadowImage:
    """A test image in the data bucket and what it truly shows."""

    bucket: str
    key: str
    truth: GroundTruth

    @property
    def strata(self) -> tuple[str, ...]:
        """Its labels; backgrounds, which have none, are sampled as if they had one of their own."""
        return self.truth.labels or (BACKGROUND,)


@frozen
class Trial:
    """A challenger that is tried beside the champion before it may serve."""

    engine: Engine
    s3: S3Client
    loop_state: FencedState
    bucket: str
    name: str
    """The challenger's."""
    rollback: bool
    """A person wants this version to serve; it only has to answer."""
    tuning: Tuning
    catalogue: Table | None = None
    """Where production images are looked for, if they are."""

    def wake_champion(self) -> str:
        """Start a champion that does not run, if the challenger needs its answers: why it was, or nothing.

        What it has answered about just these test images before will do as well; otherwise the two would be
        compared on fewer images, or on none. Once the promotion has ended the step serve puts it to sleep
        again.

        Raises:
            NotYetError: it is stopping, and can be started once it has stopped; or the account runs as many
                models as it may, and the champion has answered nothing before.
        """
        champion, record = self.loop_state.champion(), self.loop_state.version(self.name)
        if self.rollback or champion is None or record is None or champion.version_name == self.name:
            return ""
        version = self.engine.describe_version(champion.version_name)
        if version is None or version.status not in {*STARTABLE, "STOPPING"}:
            return ""
        tests = self._images(record)
        known = shadow_answers.read(self.s3, self.bucket, champion.version_name)
        missing = sum(test.key not in known for test in tests)
        if not missing:
            return ""
        if version.status == "STOPPING":
            raise NotYetError(f"{champion.version_name} is STOPPING, and cannot be started yet")
        if not budget.check(self.loop_state, self.tuning, clock.now()).allowed:
            return ""
        self.loop_state.check()
        try:
            self.engine.start_version(version, self.tuning.min_inference_units)
        except LimitReachedError:
            if missing == len(tests):
                raise
            # The account runs as many models as it may: what is known of the champion has to do.
            return ""
        return f"{missing} of {len(tests)} test images that {champion.version_name} was never asked about"

    def evaluate(self) -> Verdict:
        """The shadow gate's verdict on the challenger, which runs, recorded with its scores.

        Raises:
            EngineError: no run of this deployment has trained the version.
        """
        challenger = promotion.version_named(self.engine, self.name)
        record = self.loop_state.version(self.name)
        if record is None:
            raise EngineError(
                f"{self.name} was not trained by a run of this deployment: no snapshot to test it on"
            )
        tests = self._images(record)
        production = [] if self.rollback else self._production(record, tests)
        # Once it was given test images it may read: without any production image it is judged by those.
        answers = {
            **ask(self.engine, challenger.arn, tests),
            **ask_what_is_there(self.engine, challenger.arn, production)[0],
        }
        shadow_answers.keep(self.s3, self.bucket, self.name, answers)
        scores = _scores(tests, answers)
        if self.rollback:
            verdict = shadow_gate.judge_rollback(scores)
        else:
            rivals = _Rivals(self, challenger, tests, answers, production)
            judged = shadow_gate.judge(scores, rivals.champion(), rivals.earlier(), self.tuning)
            verdict = self._across_engines(judged.verdict, challenger, record)
            self.loop_state.record_needed(NeededImages(self.name, judged.needed))
        verdicts = (*record.verdicts, verdict)
        self.loop_state.update_version(ModelVersion(self.name, shadow=scores, verdicts=verdicts))
        return verdict

    def _across_engines(self, verdict: Verdict, challenger: Version, record: ModelVersion) -> Verdict:
        """The verdict, with what it means if the challenger is of another engine than the champion."""
        champion = self.loop_state.champion()
        if champion is None:
            return verdict
        described = self.engine.describe_version(champion.version_name)
        known = self.loop_state.version(champion.version_name)
        f1 = record.f1, known.f1 if known else None
        return crossing.judged(verdict, self.engine, challenger, described, self.tuning, f1=f1)

    def _production(self, record: ModelVersion, tests: Sequence[ShadowImage]) -> list[ShadowImage]:
        """Production images that people answered lately, and that neither the challenger nor the champion has
        learned from; none without a champion."""
        champion = self.loop_state.champion()
        if champion is None or champion.version_name == self.name or self.catalogue is None:
            return []
        learned = {test.key for test in tests}
        serving = self.loop_state.version(champion.version_name)
        for version in (record, serving):
            if version is None or not version.trained_on:
                # It was trained elsewhere, and so on none of these.
                continue
            with suppress(self.s3.exceptions.NoSuchKey):
                images = snapshot_files.images(self.s3, self.bucket, version.trained_on, "TRAIN")
                learned.update(image.key for image in images)
        kind: Kind = "detection" if any(test.truth.boxes for test in tests) else "classification"
        count = self.tuning.shadow_production_images
        images = production_images.recent(self.catalogue, count, kind, learned)
        return [_test_image(manifests.entry_line(image.manifest_entry(self.bucket))) for image in images]

    def _images(self, record: ModelVersion) -> list[ShadowImage]:
        return shadow_images(self.s3, self.bucket, str(record.snapshot), self.tuning.shadow_test_images)


def shadow_images(s3: S3Client, bucket: str, snapshot_id: str, count: int) -> list[ShadowImage]:
    """Up to `count` images of a snapshot's test dataset: of every label as many, and of backgrounds, as far
    as that goes. Where F1 is the mean of the labels' F1s, these decide most.

    The manifest is in the order of content hashes, which is as good as shuffled and always the same.
    """
    lines = snapshot_files.entries(s3, bucket, snapshot_id, "TEST")
    return _spread(_first_of_each_label((_test_image(line) for line in lines), count), count)


def ask(engine: Engine, version_arn: str, tests: Sequence[ShadowImage]) -> Answers:
    """What a running version sees on the test images, but for those that were deleted since.

    Raises:
        ClientError: the version does not run, cannot look at an image that is there, or gets none of them.
    """
    answers, refused = ask_what_is_there(engine, version_arn, tests)
    if refused and not answers:
        raise refused
    return answers


def ask_what_is_there(
    engine: Engine, version_arn: str, tests: Sequence[ShadowImage]
) -> tuple[Answers, ClientError | None]:
    """As `ask`, be it about none: and the last refusal of an image.

    Raises:
        ClientError: the version does not run, or cannot look at an image that is there.
    """
    answers: dict[str, Detections] = {}
    refused: ClientError | None = None
    for test in tests:
        image = {"S3Object": {"Bucket": test.bucket, "Name": test.key}}
        try:
            answers[test.key] = engine.detect_labels(version_arn, image)
        except ClientError as error:
            if error.response["Error"]["Code"] != UNREADABLE_IMAGE:
                # An image that this version alone cannot look at is no image less to judge it by.
                raise
            refused = error
    return answers, refused


def ask_champion(engine: Engine, version_arn: str, tests: Sequence[ShadowImage]) -> Answers | None:
    """What the champion sees on the test images; None if it does not run."""
    try:
        return ask(engine, version_arn, tests)
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_SERVING:
            return None
        raise


def _pairs(images: Sequence[ShadowImage], mine: Answers, others: Answers) -> Pairs:
    """What two versions are like on the images that both have answered about."""
    shared = [image for image in images if image.key in mine and image.key in others]
    return (
        [count(image.truth, mine[image.key]) for image in shared],
        [count(image.truth, others[image.key]) for image in shared],
    )


def _scores(tests: Sequence[ShadowImage], answers: Answers) -> Scores:
    return score((test.truth, answers[test.key]) for test in tests if test.key in answers)


@frozen
class _Rivals:
    """The versions that a challenger is held against: the champion, and those that served before it."""

    trial: Trial
    challenger: Version
    tests: Sequence[ShadowImage]
    answers: Answers
    """The challenger's."""
    production: Sequence[ShadowImage]
    """Production images that people answered lately."""

    def champion(self) -> ChampionAnswers | None:
        """The champion, asked about the same images if it runs, else by what it answered before."""
        champion = self.trial.loop_state.champion()
        if champion is None or champion.version_arn == self.challenger.arn:
            return None
        answers = ask_champion(self.trial.engine, champion.version_arn, self.tests)
        if answers:
            shadow_answers.keep(self.trial.s3, self.trial.bucket, champion.version_name, answers)
        known = answers or shadow_answers.read(self.trial.s3, self.trial.bucket, champion.version_name)
        pairs = self._shadow_pairs(known)
        on_production = self._on_production(champion, is_running=answers is not None)
        rival = Rival(
            champion.version_name,
            self._compared(pairs, rates=self._endpoint_rates),
            self._compared(self._evaluation_pairs(champion.version_name)),
        )
        return ChampionAnswers(
            rival,
            comparison.compare_labels(*pairs, rates=self._endpoint_rates, seed=self.challenger.name),
            production=on_production,
            is_running=answers is not None,
            is_gone=champion.version_name not in self._described,
        )

    def _on_production(self, champion: Champion, *, is_running: bool) -> Comparison | None:
        """How both are on production images; None without any. What the champion has answered about them
        before is not asked again, nor what the challenger could not see."""
        known = shadow_answers.read(self.trial.s3, self.trial.bucket, champion.version_name)
        seen = [image for image in self.production if image.key in self.answers]
        missing = [image for image in seen if image.key not in known] if is_running else []
        fresh = ask_champion(self.trial.engine, champion.version_arn, missing) if missing else None
        if fresh:
            shadow_answers.keep(self.trial.s3, self.trial.bucket, champion.version_name, fresh)
        pairs = _pairs(self.production, self.answers, {**known, **(fresh or {})})
        return self._compared(pairs, rates=self._endpoint_rates)

    def earlier(self) -> list[Rival]:
        """Of the versions that served last, other than the champion and the challenger: the one that is best
        on the shadow images, and the one that is best by its evaluation."""
        names = self._served_before()
        shadow = {
            name: self._shadow_pairs(shadow_answers.read(self.trial.s3, self.trial.bucket, name))
            for name in names
        }
        evaluation = {name: self._evaluation_pairs(name) for name in names}
        rivals = []
        if best := _best(shadow):
            rivals.append(Rival(best, self._compared(shadow[best], best_of=len(names)), None))
        if best := _best(evaluation):
            rivals.append(Rival(best, None, self._compared(evaluation[best], best_of=len(names))))
        return rivals

    def _served_before(self) -> list[str]:
        """Names of the versions that served last and could serve again: those that were not deleted, and
        that nobody has rolled back from."""
        champion = self.trial.loop_state.champion()
        others = {self.challenger.name, champion.version_name if champion else ""}
        return lineage.served_before(self.trial.loop_state.versions(), among=self._described, besides=others)

    def _shadow_pairs(self, answers: Answers) -> Pairs:
        return _pairs(self.tests, self.answers, answers)

    def _evaluation_pairs(self, name: str) -> Pairs:
        version = self._described.get(name)
        evaluated = evaluation_images.read(self.trial.s3, version) if version else {}
        return evaluation_images.shared(self._evaluated, evaluated)

    def _compared(self, pairs: Pairs, best_of: int = 1, rates: Rates | None = None) -> Comparison | None:
        """The comparison; None if there is no image."""
        if not pairs[0]:
            return None
        seed = self.challenger.name
        return comparison.compare(*pairs, rates=rates or self._rates, best_of=best_of, seed=seed)

    @property
    def _rates(self) -> Rates:
        return Rates.of(self.trial.tuning)

    @property
    def _endpoint_rates(self) -> Rates:
        """Those of each test through the endpoint."""
        rates = self._rates
        return replace(rates, share=comparison.SHARE_BESIDE_PRODUCTION) if self.production else rates

    @cached_property
    def _evaluated(self) -> Evaluated:
        return evaluation_images.read(self.trial.s3, self.challenger)

    @cached_property
    def _described(self) -> dict[str, Version]:
        """The deployment's versions, by name."""
        recorded = (record.id for record in self.trial.loop_state.versions())
        return versions.by_name(self.trial.engine, recorded)


def _best(pairs: Mapping[str, Pairs]) -> str | None:
    """The name of the version that is most above the challenger on the images that both are known on."""
    leads = {
        name: comparison.f1(theirs) - comparison.f1(mine)
        for name, (mine, theirs) in pairs.items()
        if len(mine) >= comparison.MIN_IMAGES
    }
    return max(leads, key=lambda name: leads[name], default=None)


def _first_of_each_label(images: Iterable[ShadowImage], count: int) -> list[ShadowImage]:
    """The first `count` images of each label, in their order: `_spread` chooses no others."""
    kept: Counter[str] = Counter()
    first = []
    for image in images:
        if any(kept[label] < count for label in image.strata):
            first.append(image)
            kept.update(image.strata)
    return first


def _spread(images: list[ShadowImage], count: int) -> list[ShadowImage]:
    """A sample in which no label is left out as long as there is room: each next image is the first one
    with the label that was seen least."""
    waiting = list(images)
    seen: Counter[str] = Counter()
    chosen: list[ShadowImage] = []
    while waiting and len(chosen) < count:
        left = {label for image in waiting for label in image.strata}
        rarest = min(left, key=lambda label: (seen[label], label))
        image = next(image for image in waiting if rarest in image.strata)
        waiting.remove(image)
        seen.update(image.strata)
        chosen.append(image)
    return chosen


def _test_image(line: str) -> ShadowImage:
    entry = manifests.parse_line(line, 1)
    width, height = entry.image_size or (1, 1)
    boxes = tuple(
        RelativeBox(box.label, box.left / width, box.top / height, box.width / width, box.height / height)
        for box in entry.boxes
    )
    labels = tuple(sorted({box.label for box in entry.boxes} or set(entry.labels)))
    return ShadowImage(entry.source_bucket, entry.source_key, GroundTruth(labels, boxes))
