"""What may be spent of our own: balances by the ledger, less what plans in flight have spoken for and what is owed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from bot.ledger.ledger import Ledger
from bot.ledger.records import Account
from bot.plan import Order, Plan, Side
from bot.reasons import Reason, Refusal
from bot.strategy import Inventory
from chains.assets import Address, Token

_PPM = 10**6
_PRICE_RESERVE_PPM = 10_000
"""How much dearer a buying order may become between decision and hedge: set aside beside its expected cost."""


class InventoryDesk:
    """Free inventory on the chain and at the exchanges."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        holder: Address,
        caps: Mapping[Token, int],
        currencies: Collection[Token],
    ) -> None:
        """`holder` is the inventory contract, `caps` what it releases per block; `currencies` lie at exchanges."""
        self._ledger = ledger
        self._holder = holder
        self._caps = caps
        self._currencies = currencies
        self._spoken_for: dict[int, tuple[int, Mapping[Token, int]]] = {}
        self._held_back: dict[str, tuple[Token, int]] = {}
        self._missing: dict[Token, int] = {}
        self.owed: Callable[[], Iterable[tuple[Token, int]]] = tuple
        """What is to pay the other sides of plans whose chain side is settled."""

    def free(self, before: int | None = None) -> Inventory:
        """Base units that may be spent now, per token; on the chain within what one block may release.

        With `before` as if no plan of that block had been sent.
        """
        on_chain = {
            token: min(self._ledger.balance(Account.of(self._holder, token)), cap) - self._used(token, before)
            for token, cap in self._caps.items()
        }
        at_exchanges = {
            token: self._ledger.balance(Account.of(token.place, token)) - self._used(token, before)
            for token in self._currencies
        }
        return {token: max(units, 0) for token, units in (on_chain | at_exchanges).items()}

    def offered(self, quotes: Collection[Token], before: int | None = None) -> Inventory:
        """What a plan may count on: `free`, of `quotes` (what books are paid in) less what it may become dearer by."""
        return {
            token: units * _PPM // (_PPM + _PRICE_RESERVE_PPM) if token in quotes else units
            for token, units in self.free(before).items()
        }

    def held(self, token: Token) -> int:
        """Base units at its exchange, less what is missing there, and what an order of which nothing is known may have
        spent of them.
        """
        held_back = sum(units for other, units in self._held_back.values() if other == token)
        return self._ledger.balance(Account.of(token.place, token)) - held_back - self._missing.get(token, 0)

    def believe(self, exchange: str, free: Mapping[str, int]) -> None:
        """`exchange` says what is free there, in base units by currency: what the books have beyond that is missing."""
        for token in self._currencies:
            if token.place == exchange:
                self._missing.pop(token, None)
                lacks = self._ledger.balance(Account.of(exchange, token)) - free.get(token.address, 0)
                if lacks > 0:
                    self._missing[token] = lacks

    def missing_at(self, exchange: str) -> Mapping[Token, int]:
        """What the books say is at `exchange`, and is not by its last word, in base units."""
        return {token: units for token, units in self._missing.items() if token.place == exchange}

    def refusal(self, plan: Plan) -> Refusal | None:
        """Why `plan` cannot be paid for; None when it can, or spends nothing of ours."""
        if plan.atomic:
            return None
        free = self.free()
        for token, units in self._spends(plan).items():
            if units > free.get(token, 0):
                have = token.whole(free.get(token, 0))
                return Refusal(Reason.NO_INVENTORY, f"{token.whole(units)} {token} needed, {have} free")
        return None

    def speak_for(self, intent_id: int, plan: Plan) -> None:
        """`plan` was sent: what it spends is not free until its chain side is settled."""
        if not plan.atomic:
            self._spoken_for[intent_id] = plan.block_number, self._spends(plan)

    def release(self, intent_id: int) -> None:
        """The chain side is settled, and booked."""
        self._spoken_for.pop(intent_id, None)

    def hold_back(self, client_id: str, token: Token, units: int) -> None:
        """An order that may have been carried out would have spent so much."""
        self._held_back[client_id] = (token, units)

    def give_back(self, client_id: str) -> None:
        """What became of the order is known, and booked."""
        self._held_back.pop(client_id, None)

    def _used(self, token: Token, before: int | None) -> int:
        apart = sum(units for held, units in (*self._held_back.values(), *self.owed()) if held == token)
        apart += self._missing.get(token, 0)
        sent = (spends for block, spends in self._spoken_for.values() if block != before)
        return apart + sum(spends.get(token, 0) for spends in sent)

    def _spends(self, plan: Plan) -> dict[Token, int]:
        return {
            plan.swaps[0].token_in: plan.amount_in,
            **dict(spent_by(order, order.amount) for order in plan.orders),
        }


def spent_by(order: Order, amount: int) -> tuple[Token, int]:
    """What `amount` base units of `order` may spend."""
    if order.side is Side.SELL:
        return order.base, amount
    return order.quote, order.expected_quote * amount * (_PPM + _PRICE_RESERVE_PPM) // (order.amount * _PPM)
