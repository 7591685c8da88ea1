"""docs/aws.md has the questions of the selftest, as they are asked."""

from __future__ import annotations

from pathlib import Path

from cli.selftest import datasets, loop, models, runs, training

PAGE = Path(__file__).parents[3] / "docs" / "aws.md"


def test_every_question_is_on_the_page_with_what_is_assumed() -> None:
    rows = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if "? |" in line]
    listed = {row[0].strip(): row[1].strip(" |") for row in rows}
    probes = [*datasets.QUESTIONS, *runs.QUESTIONS, *models.RUNNING, *models.IDLE, *training.QUESTIONS]
    asked = (
        {probe.question: probe.assumed for probe in probes}
        | {loop.THE_LOOP: "yes"}
        | dict(runs.NOT_ASKED)
        | dict(training.NOT_ASKED)
    )
    measured = {question: answer for question, answer in listed.items() if question not in asked}
    assert {question: answer for question, answer in listed.items() if question in asked} == asked
    assert list(measured) == ["How long does a training take, and a start?"]
