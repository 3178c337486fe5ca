"""One leg on the chain, one at an exchange, from inventory held on both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Literal

from bot.plan import Plan
from bot.strategy import MarketView, Strategy, wei
from chains.assets import Amount


class CexDexArbitrage(Strategy):
    """Where pools and an order book disagree by more than both fees.

    The on-chain leg goes first; the exchange then hedges exactly what filled. A hedge that is not filled within
    `hedge_deadline_blocks` is unwound on the chain.
    """

    needs_inventory: ClassVar[bool] = True

    max_hops: Literal[2, 3, 4] = 3
    min_profit: Amount = Amount.parse("0.0005 ETH")
    max_plans_per_block: int = 2
    hedge_deadline_blocks: int = 3

    def on_market(self, market: MarketView) -> Iterator[Plan]:
        least = wei(self.min_profit)
        found = market.cycles(max_hops=self.max_hops, books=1)
        worth_it = (candidate for candidate in found if candidate.net_profit_wei >= least)
        for candidate in islice(worth_it, self.max_plans_per_block):
            yield candidate.plan(min_profit_wei=least)
