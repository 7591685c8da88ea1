"""JSON read an element at a time is what JSON read whole is, wherever the file is cut into pieces."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import json_stream
from tests.fixtures.datasets_on_disk import write

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def elements(path: Path) -> list[tuple[str, Any]]:
    with json_stream.Lists(path) as lists:
        return list(lists.elements())


@pytest.mark.long
@settings(max_examples=80)
@given(
    st.dictionaries(st.text(max_size=4), st.lists(values, max_size=4) | values, max_size=4),
    st.integers(1, 9),
    st.sampled_from([None, 1]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_element_comes_wherever_the_text_is_cut_into_pieces(
    whole: dict[str, Any], piece: int, indent: int | None, encoding: str
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", piece)
        text = json.dumps(whole, indent=indent, ensure_ascii=encoding == "utf-8")
        path = Path(folder, "x.json")
        path.write_bytes(text.encode(encoding, errors="surrogatepass"))
        assert elements(path) == [
            (name, element) for name, value in whole.items() if isinstance(value, list) for element in value
        ]
        assert json_stream.names(path, 1 << 20) == list(whole)


@pytest.mark.parametrize(
    ("body", "some"),
    [
        (b'{"a": [1, 2, 3', [1, 2]),
        (b'{"a": [{"b": 1}', [{"b": 1}]),
        (b'{"a": [1, 2 3]}', [1]),
        (b'{"a": [1, 2]} {"a": [3]}', [1, 2]),
        (b'{"a": ["x", "\xff"]}', ["x"]),
        (b'{"a": [1], 2: [3]}', [1]),
        (b'\xff\xfe{\0"\0a\0"\0:\0[\0"\0x\0"\0,\0\0\xd8', ["x"]),
    ],
)
def test_what_comes_before_a_cut_is_given(tmp_path: Path, body: bytes, some: list[Any]) -> None:
    path = write(tmp_path / "x.json", body)
    with pytest.raises(json_stream.CutError):
        elements(path)
    with json_stream.Lists(path) as lists:
        annotation = iter(lists.elements())
        assert [next(annotation)[1] for _ in some] == some


def test_a_number_of_thousands_of_digits_does_not_cost_what_lies_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", '{"a": [' + "9" * 5000 + ", 1, NaN, -Infinity]}")
    assert elements(path) == [("a", None), ("a", 1), ("a", None), ("a", None)]


def test_an_element_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 100)
    monkeypatch.setattr(json_stream, "MAX_ELEMENT", 1000)
    path = write(tmp_path / "x.json", '{"a": ["' + "x" * 500 + '", "' + "x" * 100_000)
    with json_stream.Lists(path) as lists:
        annotation = lists.elements()
        assert next(annotation) == ("a", "x" * 500)
        with pytest.raises(json_stream.CutError, match="more than 1000 characters"):
            next(annotation)
        assert len(lists._text) < 5000


def test_names_are_looked_for_in_the_beginning_only(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", json.dumps({"a": 1, "b": [{}] * 100_000, "c": 1}))
    assert json_stream.names(path, 1000) == ["a", "b"]
    assert json_stream.names(path, 1 << 20) == ["a", "b", "c"]
    assert json_stream.names(write(tmp_path / "y.json", "[1]"), 1000) == []
