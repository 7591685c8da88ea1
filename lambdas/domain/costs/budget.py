"""The month's budget: what may still be started, and what people hear of it.

A month is one of UTC, as AWS bills by those:
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_payments_BillingPeriod.html
"""

from __future__ import annotations

from collections.abc import Callable

from lambdas.domain.costs import accounts
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

PERCENTS = (50, 80, 100)
"""Of the budget, at which people hear of it."""


@frozen
class BudgetVerdict:
    """Whether something may be started, and if not, why."""

    allowed: bool
    reason: str = ""


@frozen
class MonthSpending:
    """What a month has cost so far, beside its budget."""

    month: str
    usd: float
    budget_usd: float | None

    @property
    def percent(self) -> float:
        """Of the budget; 0 if there is none."""
        return self.usd / self.budget_usd * 100 if self.budget_usd else 0.0

    @property
    def is_used_up(self) -> bool:
        return self.budget_usd is not None and self.usd >= self.budget_usd


def spending(loop_state: LoopState, tuning: Tuning, at: str) -> MonthSpending:
    """What the month of this moment has cost until the last look at Rekognition."""
    return MonthSpending(at[:7], accounts.month_usd(loop_state, at[:7], tuning), tuning.monthly_budget_usd)


def check(loop_state: LoopState, tuning: Tuning, at: str, *, adds_usd: float = 0) -> BudgetVerdict:
    """Whether something that costs so much may be started now.

    Args:
        adds_usd: what it is expected to cost within the month, if that is known.
    """
    if tuning.monthly_budget_usd is None:
        return BudgetVerdict(True)
    month = spending(loop_state, tuning, at)
    budget = f"the budget of {tuning.monthly_budget_usd:.2f} USD for {month.month}"
    until = "nothing is started before the next month (UTC), or until monthly_budget_usd is raised"
    if month.is_used_up:
        return BudgetVerdict(False, f"{budget} is used up: {month.usd:.2f} USD; {until}")
    left = tuning.monthly_budget_usd - month.usd
    if adds_usd > left:
        return BudgetVerdict(
            False, f"it would cost about {adds_usd:.2f} USD, and of {budget} {left:.2f} USD are left; {until}"
        )
    return BudgetVerdict(True)


def stops_champion(loop_state: LoopState, tuning: Tuning, at: str) -> bool:
    """Whether the champion is to be stopped, since the budget is used up and Ops chose so."""
    return tuning.budget_stops_champion and spending(loop_state, tuning, at).is_used_up


def tell(loop_state: LoopState, tuning: Tuning, at: str, warn: Callable[[str, str], None]) -> int | None:
    """Tell people once that the month has reached 50, 80 or 100 percent of its budget: which, if any.

    After a change of the budget they are told of that one. A message that was sent by a function which was
    killed right then is sent again, rather than not at all.

    Args:
        warn: sends a letter, by its subject and its text.
    """
    if tuning.monthly_budget_usd is None:
        return None
    month = spending(loop_state, tuning, at)
    reached = [percent for percent in PERCENTS if month.percent >= percent]
    if not reached:
        return None
    ids = [f"budget#{month.month}#{tuning.monthly_budget_usd:g}#{percent}" for percent in reached]
    if loop_state.incident(ids[-1]):
        return None
    subject, text = _letter(month, reached[-1], tuning)
    warn(subject, text)
    for id in ids:
        loop_state.open_incident(id, text)
    return reached[-1]


def _letter(month: MonthSpending, percent: int, tuning: Tuning) -> tuple[str, str]:
    subject = f"{percent} percent of the budget for {month.month} are used up"
    lines = [
        f"Trainings and running models have cost {month.usd:.2f} USD in {month.month} (UTC), of a budget of"
        f" {month.budget_usd:.2f} USD."
    ]
    if percent < PERCENTS[-1]:
        lines.append("Once it is used up, nothing is started any more.")
    else:
        lines.append("Nothing is started any more: no training, and no model version.")
        champion = "is stopped" if tuning.budget_stops_champion else "goes on to run, and to cost"
        lines.append(f"A champion that runs {champion} (budget_stops_champion). `labelloop stop` stops it.")
    lines.append("`labelloop costs` shows what cost how much; monthly_budget_usd is the setting to change.")
    return subject, "\n".join(lines)
