"""What two-sided plans owe the exchanges, and on which terms it is paid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.ledger.records import Intent, PlacedOrder
from bot.ledger.states import Exposure
from bot.market import VenueId
from bot.plan import Order, Plan, Side
from chains.assets import Token


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """How a hedge is priced. `tolerance_ppm` is how far past the newest book's price it may reach; what is not filled
    after `deadline_blocks` is unwound on the chain, giving up at most `unwind_loss_ppm` of its value; where that fails,
    exchange and chain are tried by turns, the chain through other pools each time, of those `allowed` (None: any). An
    order of which nothing is known for `quarantine_blocks` is quarantined."""

    tolerance_ppm: int = 1_000
    deadline_blocks: int = 3
    unwind_loss_ppm: int = 10_000
    quarantine_blocks: int = 25
    allowed: Callable[[str, Token], bool] | None = None


@dataclass(frozen=True, slots=True)
class Debt:
    """What one settled plan still owes the exchange: `remaining` base units of `order.base`, on `order.side`.

    `open_order` is a client id whose outcome is unknown, for `unclear_blocks` now; `unwound_by` the id of the plan that
    is to end it, `unwind_failed` says that the last one did not, `avoided` are the pools it and those before it went
    through, and `unwound` that some of it was. It goes `back`
    where the exchange side is ahead of a chain side that did not come back from a reorganisation: then it is what was
    traded too much, and nothing of it is on the chain to be unwound.
    """

    intent_id: int
    plan: Plan
    order: Order
    remaining: int
    deadline_block: int
    open_order: str | None = None
    unwound_by: str | None = None
    quarantined: bool = False
    unclear_blocks: int = 0
    back: bool = False
    unwind_failed: bool = False
    unwound: bool = False
    avoided: frozenset[VenueId] = frozenset()

    @property
    def unclear(self) -> bool:
        """Whether an order of it may still turn out to have traded, and soon."""
        return self.open_order is not None and not self.quarantined

    def after(self, placed: PlacedOrder) -> Debt:
        """What is owed once `placed` has ended as it says."""
        filled = placed.filled_units if placed.side is self.order.side else -placed.filled_units
        ended = replace(self, open_order=None, quarantined=False, unclear_blocks=0)
        return ended.owing(self.remaining - filled)

    def owing(self, units: int) -> Debt:
        """The same with `units` left; less than nothing is owed the other way."""
        if units >= 0:
            return replace(self, remaining=units)
        side = Side.BUY if self.order.side is Side.SELL else Side.SELL
        return replace(self, order=replace(self.order, side=side), remaining=-units, back=not self.back)


@dataclass(frozen=True, slots=True)
class Closed:
    """A two-sided intent that owes nothing any more."""

    intent: Intent
    exposure: Exposure
