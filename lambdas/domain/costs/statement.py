"""The statement of costs that people ask for: from the command line and on the console's page."""

from __future__ import annotations

from lambdas.domain.costs import accounts, budget
from lambdas.domain.costs.accounts import Account, Grouping, Running
from lambdas.domain.costs.budget import MonthSpending
from lambdas.domain.shared import pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning


@frozen
class ServerlessPrices:
    """What the engine serverless costs, in USD."""

    training_per_hour: float
    is_estimate: bool
    """Whether that is another Region's price."""
    per_1000_answers: float


@frozen
class Statement:
    """What trainings, running models and answers have cost, and what goes on to cost."""

    by: Grouping
    accounts: list[Account]
    month: MonthSpending
    running: list[Running]
    prices: Prices
    serverless: ServerlessPrices
    as_of: str
    """The last look at Rekognition; empty before the first one."""

    @property
    def usd(self) -> float:
        """Of all accounts."""
        return round(sum(account.usd for account in self.accounts), 4)

    @property
    def usd_per_hour(self) -> float:
        """Of everything that runs."""
        return round(sum(one.usd_per_hour for one in self.running), 4)


def make(loop_state: LoopState, tuning: Tuning, region: str, by: Grouping, at: str) -> Statement:
    """The statement at a moment, from the beginning of the ledger."""
    return Statement(
        by,
        accounts.accounts(accounts.entries(loop_state), by, tuning),
        budget.spending(loop_state, tuning, at),
        accounts.running(loop_state, tuning),
        pricing.prices(region, tuning),
        _serverless(region, tuning),
        loop_state.ledger_head().at,
    )


def _serverless(region: str, tuning: Tuning) -> ServerlessPrices:
    return ServerlessPrices(
        pricing.prices(region, tuning).serverless_training_per_hour,
        pricing.is_serverless_estimate(region, tuning),
        pricing.serving_usd(1000, 1000 * pricing.ANSWER_SECONDS),
    )
