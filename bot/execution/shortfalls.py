"""What exchanges have less than the books say: asked of those that refused an order, and not counted on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bot.execution.inventory import InventoryDesk
from bot.execution.ordering import TradingAccount
from bot.execution.resting import Resting
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable

_AGAIN_AFTER_HEADS = 10
"""How seldom an exchange is asked again while something is missing there, or while it does not say."""


class Shortfalls:
    """Somebody may have withdrawn, traded by hand, or left an order that locks what the books count on: every hedge of
    it would be refused, and every trade taken back on the chain at a loss.
    """

    def __init__(
        self, ledger: Ledger, inventory: InventoryDesk, exchanges: Mapping[str, TradingAccount], resting: Resting
    ) -> None:
        self._ledger = ledger
        self._inventory = inventory
        self._exchanges = exchanges
        self._resting = resting
        self._heads = 0
        self._ask_at: dict[str, int] = {}

    def doubt(self, exchange: str) -> None:
        """It refused an order: what it has is asked at the next head."""
        self._ask_at[exchange] = self._heads

    async def at_head(self, unclear: Collection[str]) -> None:
        """Ask where that is due; not those at which it is `unclear` what an order has spent."""
        self._heads += 1
        for exchange in [name for name, at in self._ask_at.items() if at < self._heads and name not in unclear]:
            try:
                free = await self._exchanges[exchange].free()
            except (ExchangeUnavailable, ExchangeMisconfigured) as error:
                key_refused = isinstance(error, ExchangeMisconfigured)
                self._resting.unsaid(exchange, str(error), key_refused=key_refused)
                if not key_refused:
                    self._ledger.record_event(Level.WARNING, "exchange_unavailable", str(error))
                self._ask_at[exchange] = self._heads + _AGAIN_AFTER_HEADS
                continue
            self._resting.said(exchange)
            before = self._inventory.missing_at(exchange)
            self._inventory.believe(exchange, free)
            missing = self._inventory.missing_at(exchange)
            if missing.keys() != before.keys():
                told = ", ".join(f"{token.whole(units)} {token}" for token, units in missing.items()) or "nothing"
                level = Level.WARNING if missing else Level.INFO
                self._ledger.record_event(
                    level, "exchange_short", f"{exchange}: {told} of what the books say is missing"
                )
            if missing:
                self._ask_at[exchange] = self._heads + _AGAIN_AFTER_HEADS
            else:
                del self._ask_at[exchange]
