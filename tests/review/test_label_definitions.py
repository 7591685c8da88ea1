"""Labels that several administrators define at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.client import BaseClient

from lambdas.domain.review.desk import labels
from lambdas.domain.review.desk.labels import InvalidLabelError, LabelDefinition
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared.errors import ApiError
from tests.fixtures.deployment import World
from tests.fixtures.sleeping import sleeps

CHANGES: list[Mapping[str, Any]] = [
    {"colour": "#112233"},
    {"key": "k"},
    {"instruction": "Every cat."},
    {"examples": ("0" * 64,)},
    {"retired": True},
]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Something happens between what a change reads and what it writes, once."""

    def happens(change: Callable[[], Any]) -> None:
        call = BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

        def slow(self: Any, operation: str, request: Any) -> Any:
            if operation == "TransactWriteItems":
                monkeypatch.setattr(BaseClient, "_make_api_call", call)
                change()
            return call(self, operation, request)

        monkeypatch.setattr(BaseClient, "_make_api_call", slow)

    return happens


def table(world: World) -> ReviewTable:
    return world.reviews


def defined(world: World, label: str = "cat") -> LabelDefinition:
    return {definition.label: definition for definition in labels.definitions(table(world))}[label]


@pytest.mark.usefixtures("one_call_at_a_time")
@pytest.mark.parametrize("is_known", [True, False])
def test_changes_of_different_members_all_stay(is_known: bool, world: World) -> None:
    if is_known:
        labels.put(table(world), "cat", {"key": "c"})
    with ThreadPoolExecutor(len(CHANGES)) as pool:
        list(pool.map(lambda change: labels.put(table(world), "cat", change), CHANGES))
    assert defined(world) == LabelDefinition("cat", "#112233", "k", "Every cat.", ("0" * 64,), retired=True)


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_many_labels_one_gets_the_key(world: World) -> None:
    def wanted(number: int) -> bool:
        try:
            labels.put(table(world), f"label {number}", {"key": "k"})
        except InvalidLabelError as error:
            assert str(error) == "the key k is another label's"
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(wanted, range(4))) == 1
    assert [definition.key for definition in labels.definitions(table(world))].count("k") == 1


def test_a_key_that_is_taken_in_between_is_refused(
    world: World, meanwhile: Callable[[Callable[[], Any]], None]
) -> None:
    meanwhile(lambda: labels.put(table(world), "dog", {"key": "k"}))
    with pytest.raises(InvalidLabelError, match="the key k is another label's"):
        labels.put(table(world), "cat", {"key": "k"})
    assert [definition.label for definition in labels.definitions(table(world))] == ["dog"]


def test_a_key_that_changes_in_between_is_given_back_all_the_same(
    world: World, meanwhile: Callable[[Callable[[], Any]], None]
) -> None:
    labels.put(table(world), "cat", {"key": "a"})
    meanwhile(lambda: labels.put(table(world), "cat", {"key": "c"}))
    labels.put(table(world), "cat", {"key": "d"})
    assert defined(world).key == "d"
    for key in ("a", "c"):
        labels.put(table(world), f"has {key}", {"key": key})


def test_a_key_is_given_back_and_taken_again(world: World) -> None:
    for key in ("a", "", "a", "c", "a"):
        assert labels.put(table(world), "cat", {"key": key}).key == key
    assert labels.put(table(world), "dog", {"key": "c"}).key == "c"


def test_a_change_of_nothing_changes_nothing(world: World) -> None:
    before = labels.put(table(world), "cat", {"key": "k", "colour": "#112233"})
    assert labels.put(table(world), "cat", {}) == before


def test_a_change_that_always_meets_others_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps(monkeypatch)
    labels.put(table(world), "cat", {})
    numbers = iter("abcdefghijklm")
    call = BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

    def beaten(self: Any, operation: str, request: Any) -> Any:
        if operation == "TransactWriteItems":
            table(world).table.update_item(
                Key={"id": "labels", "part": "cat"},
                UpdateExpression="SET #key = :key",
                ExpressionAttributeNames={"#key": "key"},
                ExpressionAttributeValues={":key": next(numbers)},
            )
        return call(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", beaten)
    with pytest.raises(ApiError, match="try again") as refused:
        labels.put(table(world), "cat", {"colour": "#112233"})
    assert refused.value.status == 409


def test_a_label_that_is_used_again_is_called_what_it_is_called(world: World) -> None:
    labels.put(table(world), "cat", {"retired": True, "renamed_to": "tabby"})
    assert labels.present_names(labels.definitions(table(world))) == {"cat": "tabby"}
    labels.put(table(world), "cat", {"retired": False})
    assert labels.present_names(labels.definitions(table(world))) == {}
    labels.put(table(world), "cat", {"retired": True})
    assert defined(world).renamed_to == ""


def test_a_label_is_called_what_it_was_renamed_to_last() -> None:
    renamed = {"cat": "tom", "tom": "tabby", "dog": "hound"}
    definitions = [LabelDefinition(label, colour="", renamed_to=name) for label, name in renamed.items()]
    definitions.append(LabelDefinition("tabby", colour=""))
    assert labels.present_names(definitions) == {"cat": "tabby", "tom": "tabby", "dog": "hound"}


def test_retired_labels_take_no_place_and_stay_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LABELS", 2)
    labels.put(table(world), "kitten", {"retired": True, "renamed_to": "cat"})
    labels.put(table(world), "cat", {})
    labels.put(table(world), "dog", {})
    with pytest.raises(InvalidLabelError, match="2 labels already"):
        labels.put(table(world), "owl", {})
    with pytest.raises(InvalidLabelError, match="2 labels already"):
        labels.put(table(world), "kitten", {"retired": False})
    assert labels.put(table(world), "dog", {"key": "d"}).key == "d"
    assert labels.put(table(world), "owl", {"retired": True}).retired
    offered = labels.offered(table(world), world.loop_state, world.catalogue)
    assert [each.label for each in offered] == ["cat", "dog", "kitten", "owl"]
    assert labels.present_names(offered) == {"kitten": "cat"}
    labels.put(table(world), "dog", {"retired": True})
    assert not labels.put(table(world), "kitten", {"retired": False}).retired
