"""A strategy whose every plan bears a number of its own, so that it can be counted on the chain."""

from __future__ import annotations

from collections.abc import Iterator

from bot.plan import Plan, Swap
from bot.strategy import MarketView, Strategy
from chains.assets import Token
from chains.executor import CycleCall, InvalidCallData, decode
from chains.pools.pool import Pool
from tests.faults.chain import ETHER, Setting

NAME = "marked"
_MARK_BASE = ETHER
_GAS_ESTIMATE = 150_000
_PATIENCE_BLOCKS = 3
_PATIENCE_S = 600


class Marked(Strategy):
    """On every head one cycle through both pools, whose input is one WETH and as many wei as there were plans."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(NAME)
        self._setting = setting
        self._count = 0
        self.resting = False

    def on_market(self, market: MarketView) -> Iterator[Plan]:
        pools = market.market.pools
        if self.resting or any(facts.address not in pools for facts in self._setting.pools):
            return
        self._count += 1
        weth, dai = self._setting.weth, self._setting.dai
        amount = _MARK_BASE + self._count
        dear, cheap = pools[self._setting.dear.address], pools[self._setting.cheap.address]
        there = _swap(dear, weth, dai, amount)
        back = _swap(cheap, dai, weth, there.amount_out)
        yield Plan(
            strategy=NAME,
            network=market.network,
            legs=(there, back),
            atomic=True,
            expected_profit_wei=back.amount_out - amount,
            min_profit_wei=1,
            gas_estimate=_GAS_ESTIMATE,
            block_number=market.head.number,
            block_hash=market.head.hash,
            deadline_block=market.head.number + _PATIENCE_BLOCKS,
            deadline_s=market.head.timestamp_s + _PATIENCE_S,
            note=f"mark {self._count}",
        )


def _swap(pool: Pool, token_in: Token, token_out: Token, amount_in: int) -> Swap:
    return Swap(pool.hop(token_in), token_in, token_out, amount_in, pool.quote(token_in, amount_in))


def mark_of(call_data: bytes) -> int | None:
    """The number that a transaction's call bears; None when it is no plan of this strategy."""
    try:
        call = decode(call_data)
    except InvalidCallData:
        return None
    return call.amount_in - _MARK_BASE if isinstance(call, CycleCall) else None
