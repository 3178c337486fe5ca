"""The rooms that a decision passes, in order, and where it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.drift.freshness import Freshness
from bot.drift.upkeep import Upkeeping
from bot.execution.fees import FeePolicy
from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.execution.lenders import SingletonLenders
from bot.execution.transactions import TransactionDesk
from bot.ledger.ledger import Ledger
from bot.market import Market, VenueId
from bot.market.combined import Walk
from bot.risk.guard import Guard
from bot.strategy import Strategy
from bot.turns import Turns
from bot.world.ground import Ground
from bot.world.witnesses import Witnesses
from chains.assets import ETH, Asset, Token

Filter = Callable[[VenueId, Token], bool]
"""Whether a strategy may take a token into a venue."""


class Output(Protocol):
    """Where decisions are told as they fall, one line each."""

    def line(self, text: str) -> None: ...


class Optimal(Protocol):
    """Who finds the best use of the whole market beside the deciding."""

    async def walks(self, number: int, gas_price_wei: int) -> tuple[Walk, ...]: ...


@dataclass(frozen=True, slots=True)
class Road:
    """The rooms a decision passes, in order. `trading` is False where it ends at the verdict (dry mode).

    `by_timestamp` is False where the heads' time is their own, as a test chain's is.
    """

    market: Market
    strategies: Sequence[Strategy]
    guard: Guard
    transactions: TransactionDesk
    hedges: HedgeDesk
    inventory: InventoryDesk
    ledger: Ledger
    fee_policy: FeePolicy
    ground: Ground
    filters: Mapping[str, Filter]
    upkeep: Upkeeping
    network: str
    trading: bool
    freshness: Freshness | None = None
    by_timestamp: bool = False
    witnesses: Witnesses | None = None
    gains: tuple[Asset, ...] = (ETH,)
    lenders: SingletonLenders | None = None
    optimum: Optimal | None = None
    turns: Turns = field(default_factory=Turns)
