"""Buy where it is cheap and sell where it is dear, in one transaction, without any inventory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from bot.execution.loans import LoanFrom
from bot.plan import Plan
from bot.strategy import MarketView, Strategy, wei
from chains.assets import Amount


class DexArbitrage(Strategy):
    """Closed cycles of pools, on credit through the executor: they pay for themselves or revert."""

    max_hops: Literal[2, 3, 4] = 4
    max_routes: int = 4
    loan: LoanFrom = LoanFrom.CHEAPEST
    min_profit: Amount = Amount.parse("0.0005 ETH")
    max_plans_per_block: int = 4

    def on_market(self, market: MarketView) -> Iterator[Plan]:
        least = wei(self.min_profit)
        cycles = market.cycles(max_hops=self.max_hops, max_routes=self.max_routes, loan=self.loan)
        worth_it = (found for found in cycles if found.net_profit_wei >= least)
        for candidate in islice(worth_it, self.max_plans_per_block):
            yield candidate.plan(min_profit_wei=least)
