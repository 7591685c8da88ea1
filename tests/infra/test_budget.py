"""The AWS Budget beside the loop's own."""

from __future__ import annotations

from typing import Any

from tests.fixtures import built


def budgets(deployment: str) -> list[dict[str, Any]]:
    resources = built.template(deployment)["Resources"].values()
    return [one["Properties"] for one in resources if one["Type"] == "AWS::Budgets::Budget"]


def test_a_deployment_with_a_budget_and_an_address_has_one_at_aws() -> None:
    (budget,) = budgets("workforce")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 250, "Unit": "USD"}
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    assert budget["Budget"]["CostFilters"] == {"Service": ["Amazon Rekognition"]}
    notifications = budget["NotificationsWithSubscribers"]
    assert [
        (one["Notification"]["NotificationType"], one["Notification"]["Threshold"]) for one in notifications
    ] == [
        ("ACTUAL", 50),
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    ]
    assert {one["Subscribers"][0]["Address"] for one in notifications} == {built.EMAIL}


def test_without_a_budget_there_is_none() -> None:
    assert budgets("default") == []
