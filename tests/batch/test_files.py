from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.batch import files
from lambdas.domain.batch.files import BadLine, BatchNameError, InputLine, ResultLine

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def test_a_part_and_its_results_have_one_name() -> None:
    part = files.input_key("night", 12)
    assert part == "batches/night/input/part-00012.jsonl"
    assert files.result_key("night", part) == "batches/night/results/part-00012.jsonl"
    assert files.shard_summary_key("night", part) == "batches/night/summaries/part-00012.json"


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "a b", "é", "a" * 49])
def test_a_name_that_cannot_be_used(name: str) -> None:
    with pytest.raises(BatchNameError, match="small letters"):
        files.check_name(name)


@given(st.lists(st.builds(InputLine, id=TEXTS, bucket=TEXTS, key=TEXTS, version_id=TEXTS)))
@settings(max_examples=30)
def test_input_is_read_as_it_was_written(lines: list[InputLine]) -> None:
    named = [line for line in lines if line.id and line.bucket and line.key]
    unlike = list({line.id: line for line in named}.values())
    assert list(files.input_lines("part", files.as_text(unlike))) == unlike


@given(
    st.lists(
        st.builds(
            ResultLine,
            id=TEXTS,
            bucket=TEXTS,
            key=TEXTS,
            status=st.sampled_from(["detected", "failed"]),
            labels=st.lists(st.fixed_dictionaries({"label": TEXTS, "confidence": st.floats(0, 100)})).map(
                tuple
            ),
            width=st.none() | st.integers(1),
            reason=TEXTS,
        )
    )
)
@settings(max_examples=30)
def test_results_are_read_as_they_were_written(lines: list[ResultLine]) -> None:
    named = [line for line in lines if line.id and line.bucket and line.key]
    assert files.result_lines(files.as_text(named)) == named


@pytest.mark.parametrize(
    "line",
    [
        "1",
        "[]",
        "{",
        '{"id": "0", "bucket": "b", "key": "twice"}',
        '{"id": "0"}',
        '{"id": 0, "bucket": "b", "key": "k"}',
    ],
)
def test_a_line_that_names_no_image(line: str) -> None:
    good = json.dumps({"id": "0", "bucket": "b", "key": "k"})
    part = files.input_key("night", 3)
    named, bad, after = files.input_lines(part, f"{good}\n{line}\n{good.replace('0', '1')}\n")
    assert (named.id, bad, after.id) == ("0", BadLine("part-00003.jsonl:2", line), "1")
