"""Reviewers and administrators who do everything at once: nothing said is lost, and nothing counted twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.desk import DeskError, Reviewer
from lambdas.domain.review.desk.task import Answer, Task
from lambdas.domain.review.results import consolidation
from lambdas.domain.review.results.resolution import Resolver, needs_resolving
from tests.fixtures.reviews import CAT, CLAIM_SECONDS, LABELS, Executions, Reviews, labelled, submit_answer

WANTED = 2
ACTS = 20
SAID: Sequence[dict[str, Any]] = (
    labelled(),
    labelled(CAT, {"label": "dog", "left": 50, "top": 40, "width": 30, "height": 20}),
    {"verdict": "nothing"},
    {"verdict": "unusable", "reason": "dark"},
)


@dataclass
class Person:
    """Somebody at the desk, who forgets nothing of what was acknowledged."""

    who: Reviewer
    resolver: Resolver
    ids: Sequence[str]
    others: Sequence[Reviewer]
    chance: random.Random
    answered: dict[str, Answer] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    def act(self, acts: Sequence[str]) -> None:
        for _ in range(ACTS):
            id = self.chance.choice(self.ids)
            try:
                getattr(self, self.chance.choice(acts))(id)
            except DeskError as refused:
                assert refused.status in (409, 410)

    def claim(self, id: str) -> None:
        for task in desk.claim(self.resolver.table, self.who, 2, CLAIM_SECONDS):
            assert task.answer_of(self.who.sub) is None
            self.answer(task.id)

    def answer(self, id: str) -> None:
        kept = submit_answer(self.resolver.table, id, self.who, self.chance.choice(SAID), LABELS)
        given = kept.answer_of(self.who.sub)
        assert given is not None
        assert self.answered.setdefault(id, given) == given
        self.resolver.resolve_task(kept)

    def skip(self, id: str) -> None:
        kept, now = desk.skip(self.resolver.table, id, self.who, "no idea")
        self.skipped[id] += now
        if needs_resolving(kept):
            self.resolver.resolve_task(kept)

    def renew(self, id: str) -> None:
        assert desk.renew(self.resolver.table, id, self.who, CLAIM_SECONDS).reviewer == self.who.sub

    def release(self, id: str) -> None:
        desk.release(self.resolver.table, id, self.who)

    def reassign(self, id: str) -> None:
        desk.reassign(self.resolver.table, id, self.chance.choice([None, *self.others]), CLAIM_SECONDS)

    def delete(self, id: str) -> None:
        desk.delete(self.resolver.table, id, self.who.name)
        self.resolver.resolve(id)

    def give_back(self, id: str) -> None:
        self.resolver.give_back(id, "nobody answered in time")

    def sweep(self, id: str) -> None:
        self.resolver.resolve(id)


REVIEWS = ("claim", "answer", "skip", "skip", "renew", "release")
MANAGES = ("reassign", "reassign", "reassign", "sweep", "sweep", "delete", "give_back")


@pytest.mark.long
@pytest.mark.usefixtures("one_call_at_a_time")
@pytest.mark.parametrize("seed", [1])
def test_whatever_people_do_at_once(seed: int, reviews: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, go_on = threading.Lock(), Executions._go_on

    def alone(self: Executions, token: str, outcome: str) -> None:
        with lock:
            go_on(self, token, outcome)

    monkeypatch.setattr(Executions, "_go_on", alone)
    ids = [reviews.task(f"{n}", wanted=WANTED, token=f"token-{n}").id for n in range(8)]
    names = [Reviewer(f"sub-{n}", f"Ré {n} \U0001f408") for n in range(6)]
    people = [
        Person(
            who,
            reviews.own_resolver(review_workers_per_task=WANTED),
            ids,
            names,
            random.Random(seed * 100 + n),  # noqa: S311
        )
        for n, who in enumerate(names)
    ]
    with ThreadPoolExecutor(len(people)) as threads:
        acting = [
            threads.submit(person.act, MANAGES if number == 0 else REVIEWS)
            for number, person in enumerate(people)
        ]
    for future in acting:
        future.result()

    resolver = reviews.resolver(review_workers_per_task=WANTED)
    tasks = [resolver.resolve(id) for id in ids]
    assert None not in tasks
    for task in tasks:
        check(reviews, people, task)  # pyrefly: ignore[bad-argument-type]
    outcomes = Counter(token for token, _ in reviews.executions.outcomes)
    assert set(outcomes.values()) <= {1}
    assert reviews.executions.waiting == {task.token for task in tasks if task and task.state == "open"}
    for person in people:
        done = [task for task in tasks if task and task.state == "done" and task.id in person.answered]
        assert int(reviews.counted(f"reviewer#{person.who.sub}").get("answered", 0)) == len(done)


def check(reviews: Reviews, people: Sequence[Person], task: Task) -> None:
    acknowledged = {
        person.who.sub: person.answered[task.id] for person in people if task.id in person.answered
    }
    assert {answer.reviewer: answer for answer in task.answers} == acknowledged
    assert len(task.answers) <= consolidation.max_answers(WANTED)
    assert not needs_resolving(task)
    for person in people:
        # Who was assigned a task that they had skipped may skip it again.
        assert (person.who.sub in task.skipped) <= (person.skipped[task.id] > 0)
    image = reviews.image_of(task)
    if task.state == "done":
        expected = {"labelled": "labelled", "nothing": "labelled", "unusable": "excluded"}[task.outcome]
        assert image.status == expected
        assert image.changed_by.startswith("review by ")
        assert (task.claims, task.token) == ((), "")
    else:
        assert image.status == "unlabelled"
