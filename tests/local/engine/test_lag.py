"""Descriptions of the engine that are older than the last write."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.engine.lag import LAG_VARIABLE, Lag, reads_from_environment
from tests.fixtures.engine import Bench


def names(bench: Bench) -> list[str]:
    projects = bench.call("DescribeProjects")["ProjectDescriptions"]
    return [project["ProjectArn"].split("/")[1] for project in projects]


def test_a_write_is_described_after_some_reads(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lag=Lag(2))
    assert names(bench) == []
    arn = bench.project()
    assert [names(bench) for _ in range(4)] == [[], [], ["pets"], ["pets"]]
    tags = bench.call("ListTagsForResource", ResourceArn=arn)
    assert tags == {"Tags": {}}
    assert names(bench) == ["pets"], "reading is no write"
    bench.call("DeleteProject", ProjectArn=arn)
    assert [names(bench) for _ in range(3)] == [["pets"], ["pets"], []]
    bench.close()


def test_what_was_not_asked_before_has_no_older_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lag=Lag(2))
    bench.project()
    assert names(bench) == ["pets"]
    bench.close()


def test_without_a_lag_every_write_is_described_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert names(bench) == []
    bench.project()
    assert names(bench) == ["pets"]
    bench.close()


def test_the_lag_comes_from_the_environment() -> None:
    assert reads_from_environment({}) == 0
    assert reads_from_environment({LAG_VARIABLE: "3"}) == 3
    for text in ("-1", "1.5", "many"):
        with pytest.raises(ValueError, match=LAG_VARIABLE):
            reads_from_environment({LAG_VARIABLE: text})
