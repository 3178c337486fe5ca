"""Certificates in a run: every block's goes into the ledger, and the summary says what part plans have captured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from sqlalchemy import select

from bot.engine import Engine
from bot.gas import GasCoin
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerUnwritable
from bot.ledger.ledger import Ledger
from bot.ledger.models import EventRow, PlanRow, RefusalRow
from bot.market import Market
from bot.market.certificate.certifier import Certifier
from bot.market.certificate.messages import Certified
from bot.market.combined import Walk
from bot.market.dual.capture import Cause, Terms
from bot.road import Road
from bot.telling import eth
from chains.assets import Token
from chains.blocks import Head

EVENT = "certificate"
LAST_ANSWERS_S = 2.0
"""How long the end of a run waits for certificates of its last blocks."""

NOT_PLANNED = "not_planned"
"""What was within reach of an executor alone in the block, and no strategy planned; negative where plans took more."""

_BUDGET = "budget_"
_DEFAULT_HOPS = 4


@dataclass(slots=True)
class Optimum:
    """The whole market's optimum as an end of the road: asked for a head's, it answers within `within_s` or not."""

    within_s: float
    _certifier: Certifier | None = None
    _terms: Callable[[int, int], Terms] | None = None
    asked: int | None = None
    """The last block whose optimum was asked for, which the certifier then knows of."""

    def attach(self, certifier: Certifier, terms: Callable[[int, int], Terms]) -> None:
        """Whom to ask from now on, and what walks must keep to in a block at a gas price."""
        self._certifier, self._terms = certifier, terms

    async def walks(self, number: int, gas_price_wei: int) -> tuple[Walk, ...]:
        """The optimum's walks of block `number`, which the market has taken in; none where that takes too long."""
        if self._certifier is None or self._terms is None:
            return ()
        self.asked = number
        self._certifier.on_block(number, self._terms(number, gas_price_wei), propose=True)
        return await self._certifier.proposed(number, self.within_s)


@dataclass(frozen=True, slots=True)
class Captured:
    """What a run's blocks had to give, in wei of ETH before gas, and what became of it.

    `blocks` were bounded; of them `explained` were told apart as well, and all sums are over those. `missed_wei` adds
    up to the bound less what was captured.
    """

    blocks: int
    explained: int
    bound_wei: int
    captured_wei: int
    missed_wei: dict[str, int]

    @property
    def share(self) -> float | None:
        """None where there was nothing to capture."""
        return self.captured_wei / self.bound_wei if self.bound_wei else None

    def __str__(self) -> str:
        missed = ", ".join(f"{eth(units)} {cause}" for cause, units in self.missed_wei.items() if units)
        share = 0.0 if self.share is None else self.share
        return f"{share:.1%} of {eth(self.bound_wei)} that {self.explained} blocks had to give at most; missed {missed}"

    def document(self) -> dict[str, Any]:
        """For machines: amounts are decimal strings."""
        return {
            "blocks": self.blocks,
            "explained": self.explained,
            "bound_wei": str(self.bound_wei),
            "captured_wei": str(self.captured_wei),
            "captured_share": self.share,
            "missed_wei": {str(cause): str(units) for cause, units in self.missed_wei.items()},
        }


async def certify(
    market: Market,
    numeraire: Token,
    ledger: Ledger,
    road: Road,
    engine: Engine,
    stack: AsyncExitStack,
    optimum: Optimum | None = None,
) -> Certifier:
    """A running certifier, told of each head that `engine` has decided on. Raises `OSError`.

    It counts in `numeraire`, the wrapped coin, in which gas is paid; what it finds is kept in ETH. `optimum` asks it.
    """
    certifier = Certifier(
        market, numeraire, partial(_record, ledger, road.fee_policy.coin), partial(_record_end, ledger)
    )
    hops = (int(getattr(strategy, "max_hops", _DEFAULT_HOPS)) for strategy in road.strategies)
    most_hops = max(hops, default=_DEFAULT_HOPS)
    orders = int(any(strategy.needs_inventory for strategy in road.strategies))
    told_before = engine.on_decided

    def terms(number: int, gas_price_wei: int) -> Terms:
        quotes = {book.quote for book in market.books.values()}
        held = road.inventory.offered(quotes, before=number) if orders else {}
        return Terms(gas_price_wei, most_hops, most_orders=orders, inventory=held)

    def on_decided(head: Head) -> None:
        told_before(head)
        if optimum is not None and optimum.asked == head.number:
            optimum.asked = None
            return
        certifier.on_block(head.number, terms(head.number, road.fee_policy.screening_price_wei(head)))

    await certifier.start()
    if optimum is not None:
        optimum.attach(certifier, terms)
    stack.push_async_callback(certifier.close)
    engine.on_decided = on_decided
    return certifier


def captured(ledger: Ledger) -> Captured | None:
    """What the ledger's run has captured so far; None where no block was certified."""
    run = ledger.run.id
    with ledger.read() as connection:
        events = connection.execute(select(EventRow.detail).where(EventRow.run_id == run, EventRow.name == EVENT))
        certificates = [orjson.loads(detail) for detail in events.scalars()]
        joined = select(PlanRow.block_number, PlanRow.expected_profit_wei, RefusalRow.reason)
        planned = connection.execute(
            joined.outerjoin(RefusalRow, RefusalRow.plan_row == PlanRow.id).where(PlanRow.run_id == run)
        ).all()
    explained = {each["block"]: each for each in certificates if "missed_wei" in each}
    if not certificates:
        return None
    taken, missed, within_reach = 0, Counter[str](), 0
    for block, profit_wei, reason in planned:
        if block in explained:
            if reason is None:
                taken += profit_wei
            else:
                missed[Cause.BUDGET if reason.startswith(_BUDGET) else Cause.REFUSED] += profit_wei
    missed[NOT_PLANNED] = -taken - missed.total()
    for each in explained.values():
        within_reach += int(each["within_reach_wei"])
        missed.update({cause: int(units) for cause, units in each["missed_wei"].items()})
    missed[NOT_PLANNED] += within_reach
    bound = sum(int(each["bound_wei"]) for each in explained.values())
    told = {str(cause): missed[cause] for cause in sorted(missed)}
    return Captured(len(certificates), len(explained), bound, taken, told)


def _record_end(ledger: Ledger) -> None:
    with suppress(LedgerUnwritable):
        detail = "its process ended; the run goes on without certificates"
        ledger.record_event(Level.WARNING, "certificates_ended", detail)


def _record(ledger: Ledger, coin: GasCoin, certified: Certified) -> None:
    bound_wei = coin.worth_wei(certified.bound)
    detail: dict[str, Any] = {"block": certified.number, "bound_wei": str(bound_wei)}
    if certified.missed is not None and certified.within_reach is not None:
        within_reach_wei = coin.worth_wei(certified.within_reach)
        missed = {cause: coin.worth_wei(units) for cause, units in certified.missed.items()}
        # Each is rounded by itself; they still add up to the bound.
        missed[Cause.ROUNDING] = missed.get(Cause.ROUNDING, 0) + bound_wei - within_reach_wei - sum(missed.values())
        detail["within_reach_wei"] = str(within_reach_wei)
        detail["missed_wei"] = {str(cause): str(units) for cause, units in missed.items()}
    # Whoever hears certificates hears those of later blocks too, and the optimum of the next one.
    with suppress(LedgerUnwritable):
        ledger.record_event(Level.INFO, EVENT, orjson.dumps(detail).decode())
