"""What a settled plan owes the exchange, by the books: what moved on the chain, less what was traded or taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.execution.debts import Debt
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.ledger.states import CLOSED_ORDERS, SETTLED, MinedAs, OrderState
from bot.plan import Plan, Side
from chains.assets import Assets, Token


@dataclass(frozen=True, slots=True)
class Owing:
    """Reads debts from `ledger`."""

    ledger: Ledger
    assets: Assets

    def debt(self, intent: Intent, plan: Plan, *, deadline_block: int, fresh: bool = False) -> Debt:
        """What it owes now. Of a `fresh` debt nothing can have been taken back yet."""
        order = plan.orders[0]
        swaps = self.ledger.swaps_of(intent.id)
        first, last = plan.swaps[0].token_in, plan.swaps[-1].token_out
        if self.assets.of(last) == self.assets.of(order.base):
            side, token, moved = Side.SELL, last, swaps[-1].amount_out if swaps else 0
        else:
            side, token, moved = Side.BUY, first, swaps[0].amount_in if swaps else 0
        placed = self.ledger.orders_of(intent.id)
        unclear = next((order for order in placed if order.state not in CLOSED_ORDERS), None)
        ended = [each for each in placed if each.state in CLOSED_ORDERS]
        traded = sum(each.filled_units if each.side is side else -each.filled_units for each in ended)
        unwound = () if fresh else self.ledger.unwound_of(intent)
        moved -= sum(back[0].amount_in if side is Side.SELL else back[-1].amount_out for back in unwound)
        return Debt(
            intent_id=intent.id,
            plan=plan,
            order=replace(order, side=side),
            remaining=0,
            deadline_block=deadline_block,
            open_order=unclear.client_id if unclear is not None else None,
            quarantined=unclear is not None and unclear.state is OrderState.QUARANTINED,
            unwound=bool(unwound),
        ).owing(_converted(moved, token, order.base) - traded)

    def stands(self, debt: Debt) -> bool:
        """Whether the chain side is in a block now; a reorganisation may have taken it out again."""
        return self.ledger.intent(debt.intent_id).state in SETTLED

    def moved(self, debt: Debt) -> bool:
        """Whether the chain side did what it was to do."""
        return self.ledger.intent(debt.intent_id).mined_as is MinedAs.OK


def _converted(units: int, token: Token, into: Token) -> int:
    """The same amount of one asset in another token's base units, rounded down."""
    converted: int = units * 10**into.decimals // 10**token.decimals
    return converted
