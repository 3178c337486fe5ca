"""What the market offers: closed walks with exact amounts, what they gain, and the legs that take them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bot.market.graph import VenueId
from bot.plan import Order, Swap
from chains.assets import Asset, Token
from chains.executor import Hop, HopKind
from chains.hops import LENT_KINDS
from chains.loans import Lender, Loan

_WEI_DECIMALS = 18
_ONE = Fraction(1)

GAS_BASE = 40_000
"""Gas of the executor around its hops: the transaction itself, the checks, and the last transfer."""

GAS_PER_HOP: Mapping[HopKind, int] = {
    HopKind.CONSTANT_PRODUCT: 60_000,
    HopKind.CONCENTRATED: 70_000,
    HopKind.SOLIDLY: 100_000,
    HopKind.ALGEBRA: 90_000,
    HopKind.UNISWAP_V4: 75_000,
    HopKind.CURVE: 140_000,
    HopKind.CURVE_CRYPTO: 260_000,
    HopKind.BALANCER_V2: 90_000,
    HopKind.BALANCER_V3: 130_000,
    HopKind.ERC4626: 90_000,
    HopKind.WRAPPED_NATIVE: 15_000,
    HopKind.WSTETH: 80_000,
    HopKind.AAVE_V3: 190_000,
}
"""Gas per hop by kind of pool. For ranking; the simulator measures.

Uniswap's and weighted pools and wrapped coins are about what the executor's gas tests measure; of the others only its
own part is measured there, and the venue's is what its usual mainnet swaps burn.
"""

GAS_PER_LENDER: Mapping[Lender, int] = {
    Lender.UNISWAP_V4: 30_000,
    Lender.BALANCER_V3: 45_000,
    Lender.BALANCER_V2: 50_000,
    Lender.AAVE_V3: 110_000,
    Lender.PAIR: 40_500,
    Lender.POOL: 39_500,
}
"""Gas that a loan adds to a cycle.

Measured with the real manager of Uniswap V4, and in `contracts/test/Gas.t.sol` with Uniswap's own pairs and pools; of
Balancer and Aave these are estimates, from what their flash loans usually burn on mainnet.
"""

GAS_LOAN = GAS_PER_LENDER[Lender.UNISWAP_V4]
"""Gas of the loan that the executor takes by itself for a first hop that gives no credit."""

GAS_PER_ROUTE = 2_000
"""Gas of one more route in a settlement, besides its hops: its share, and the way into it."""

GAS_PASSED_BEFORE: Mapping[HopKind, int] = {HopKind.CONSTANT_PRODUCT: 30_000, HopKind.CONCENTRATED: 30_000}
"""What a hop burns less through a pool that the same transaction has passed: what it touches is warm by then.

Rounded down from what settled transactions burnt on the twin, 39,000 to 41,000; of other kinds it was not measured.
"""

GAS_INVENTORY = 75_000
"""Gas that an exchange of inventory adds to its hops: drawn within the cap, held to a mean price, and put back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One hop through a venue: exact base units in and out, fees included.

    `rate` is the marginal price before the trade, whole units out per whole unit in, after fees. `hop` is how the
    executor performs it; None at an exchange.
    """

    venue: VenueId
    token_in: Token
    token_out: Token
    amount_in: int
    amount_out: int
    rate: float
    fee_ppm: int
    hop: Hop | None = None

    @property
    def average(self) -> float:
        """Whole units out per whole unit in, over the whole trade."""
        if not self.amount_in:
            return 0.0
        return float(self.token_out.whole(self.amount_out)) / float(self.token_in.whole(self.amount_in))


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A closed walk with its best size; or several, one after another, each exact on what those before it leave.

    `gain` is base units of `start` before gas: exact where the walks close in one token; where an order book closes
    one, what is left over in each asset is valued at the market's reference prices. `hedge` is that book's order.
    `worth` is what a whole unit of `start` is worth in ETH: one of ETH, else by the market's price.
    What goes in is lent by `loan`, whose fee `gain` has paid; without one each first hop gives credit, or the executor
    borrows for it where lending is free.
    """

    start: Asset
    start_decimals: int
    steps: tuple[Step, ...]
    gain: int
    hedge: Order | None = None
    loan: Loan | None = None
    worth: Fraction = _ONE

    @property
    def routes(self) -> tuple[tuple[Step, ...], ...]:
        """The steps, walk by walk: each that sells what the first one sells begins another."""
        routes: list[list[Step]] = []
        for step in self.steps:
            if not routes or step.token_in == self.steps[0].token_in:
                routes.append([])
            routes[-1].append(step)
        return tuple(map(tuple, routes))

    @property
    def amount_in(self) -> int:
        """What all walks together sell, in base units of the first step's input."""
        return sum(route[0].amount_in for route in self.routes)

    @property
    def amounts(self) -> tuple[tuple[int, int], ...]:
        """Base units in and out, per hop."""
        return tuple((step.amount_in, step.amount_out) for step in self.steps)

    @property
    def venues(self) -> frozenset[VenueId]:
        """What its steps move. Wrapping the native coin moves nothing, so that any number of trades may do it."""
        wraps = HopKind.WRAPPED_NATIVE
        return frozenset(step.venue for step in self.steps if step.hop is None or step.hop.kind is not wraps)

    @property
    def gain_wei(self) -> int:
        """What `gain` is worth in wei of ETH, rounded down."""
        wei, units = self.worth.numerator * 10**_WEI_DECIMALS, self.worth.denominator * 10**self.start_decimals
        return int(self.gain * wei // units)

    @property
    def gas_estimate(self) -> int:
        """Gas of the on-chain part."""
        if self.hedge is not None:
            return gas_of_exchange(step.hop.kind for step in self.steps if step.hop is not None)
        hops = ([step.hop.kind for step in route if step.hop is not None] for route in self.routes)
        passed = ((step.venue, step.hop.kind) for step in self.steps if step.hop is not None)
        return gas_of_routes(hops, self.loan) - gas_spared(passed)

    def net_profit_wei(self, gas_price_wei: int) -> int:
        """What is gained after the estimated gas, in wei of ETH."""
        return self.gain_wei - self.gas_estimate * gas_price_wei

    def swaps(self) -> tuple[Swap, ...]:
        """The on-chain legs, in order."""
        return tuple(
            Swap(step.hop, step.token_in, step.token_out, step.amount_in, step.amount_out)
            for step in self.steps
            if step.hop is not None
        )

    def order(self) -> Order | None:
        """The leg at an exchange, if there is one."""
        return self.hedge

    def explain(self) -> str:
        """For a person: each hop's marginal price, fee, size and average price, and what is gained."""
        hops = [
            f"  {step.venue}: {_shown(step.amount_in, step.token_in)} -> {_shown(step.amount_out, step.token_out)}; "
            f"marginal {step.rate:.9g}, average {step.average:.9g}, fee {step.fee_ppm / 10_000:g} %"
            for step in self.steps
        ]
        products = ", ".join(f"{math.prod(step.rate for step in route):.9f}" for route in self.routes)
        lent = f"; lent by {self.loan.lender.name.lower()}" if self.loan else ""
        return "\n".join([str(self), *hops, f"  product of marginal prices {products}; gas {self.gas_estimate}{lent}"])

    def __str__(self) -> str:
        first = self.steps[0].token_in
        paths = (" -> ".join([first.symbol, *(step.token_out.symbol for step in route)]) for route in self.routes)
        whole = self.gain / 10**self.start_decimals
        return f"{' + '.join(paths)}: {_shown(self.amount_in, first)} in, gains {whole:.9f} {self.start}"


def gas_of(kinds: Iterable[HopKind]) -> int:
    """The gas a settlement through these kinds of hops is estimated to burn."""
    return gas_of_routes([kinds])


def gas_of_exchange(kinds: Iterable[HopKind]) -> int:
    """The gas that an exchange of inventory through these kinds of hops is estimated to burn."""
    return GAS_BASE + GAS_INVENTORY + sum(GAS_PER_HOP[kind] for kind in kinds)


def gas_of_routes(routes: Iterable[Iterable[HopKind]], loan: Loan | None = None) -> int:
    """The same for several routes in one transaction, whose input is lent by `loan`, where it is."""
    paths = [list(kinds) for kinds in routes]
    if loan is None:
        return gas_of_parts([gas_of_path(path) for path in paths])
    return gas_of_parts([_gas_of_hops(path) for path in paths]) + GAS_PER_LENDER[loan.lender]


def gas_of_path(kinds: Sequence[HopKind]) -> int:
    """What one route adds to the gas of a settlement: its hops, and the loan of a first one that gives no credit."""
    lent = GAS_LOAN if kinds and kinds[0] in LENT_KINDS else 0
    return lent + _gas_of_hops(kinds)


def gas_of_parts(parts: Sequence[int]) -> int:
    """The gas of a settlement whose routes add so much each."""
    return GAS_BASE + GAS_PER_ROUTE * (len(parts) - 1) + sum(parts)


def gas_spared(passed: Iterable[tuple[VenueId, HopKind]]) -> int:
    """What hops through these, one after another, burn less than by themselves."""
    before: set[VenueId] = set()
    spared = 0
    for venue, kind in passed:
        spared += GAS_PASSED_BEFORE.get(kind, 0) if venue in before else 0
        before.add(venue)
    return spared


def _gas_of_hops(kinds: Iterable[HopKind]) -> int:
    return sum(GAS_PER_HOP[kind] for kind in kinds)


def disjoint(opportunities: Iterable[Opportunity]) -> list[Opportunity]:
    """The first of each group that shares a venue: two that move the same pool cannot both be had at their quotes.

    Greedy in the order given, so best first in gives best first out.
    """
    taken: set[VenueId] = set()
    kept = []
    for opportunity in opportunities:
        if taken.isdisjoint(opportunity.venues):
            taken |= opportunity.venues
            kept.append(opportunity)
    return kept


def _shown(units: int, token: Token) -> str:
    return f"{token.whole(units):f} {token.symbol}"
