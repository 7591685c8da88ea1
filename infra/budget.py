"""The AWS Budget beside the loop's own: the net below the net, for what the loop itself does not see."""

from __future__ import annotations

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.settings import Settings

_SERVICE = "Amazon Rekognition"
"""Of the account: tags would tell deployments apart, and count from the day on which somebody activates them.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html"""
_ACTUAL, _FORECASTED = "ACTUAL", "FORECASTED"
_NOTIFICATIONS = ((_ACTUAL, 50), (_ACTUAL, 80), (_ACTUAL, 100), (_FORECASTED, 100))
"""A budget can have up to five:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-budgets-budget.html"""


class Budget(Construct):
    """A monthly budget for Rekognition's costs in the account, and its mails.

    It is a resource of the deployment: a change of `monthly_budget_usd` in the tuning parameter does not
    reach it.
    """

    def __init__(self, scope: Construct, id: str, settings: Settings) -> None:
        super().__init__(scope, id)
        subscriber = budgets.CfnBudget.SubscriberProperty(
            address=settings.notification_email, subscription_type="EMAIL"
        )
        notifications = [
            budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[subscriber],
            )
            for kind, percent in _NOTIFICATIONS
        ]
        budgets.CfnBudget(
            self,
            "Monthly",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=settings.tuning.monthly_budget_usd or 0, unit="USD"
                ),
                cost_filters={"Service": [_SERVICE]},
            ),
            notifications_with_subscribers=notifications,
        )
