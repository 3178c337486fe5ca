"""Who lends a cycle's input: the cheapest of those who can, counting the fee and the gas of asking. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from bot.market.exact import PoolHop, best_cycle
from bot.market.kernels import optimal_input
from bot.market.opportunity import GAS_PER_LENDER, Opportunity
from chains.assets import Token
from chains.hops import LENT_KINDS, HopKind
from chains.loans import Lender, Loan
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PPM, AmountOutOfRange, InsufficientLiquidity, Piece, Pool

WEI_PER_ETH = 10**18

ROUNDING = 1e-9
"""How far a float sum of what a pool holds can be above it."""


class LoanFrom(StrEnum):
    """Who may lend a strategy's cycles their input.

    `CHEAPEST`: the first hop where it gives credit, and where not, who lends for least. `NONE`: the first hop only;
    cycles that it does not give credit are passed over. A lender's name: always that one.
    """

    CHEAPEST = "cheapest"
    NONE = "none"
    UNISWAP_V4 = "uniswap_v4"
    BALANCER_V3 = "balancer_v3"
    BALANCER_V2 = "balancer_v2"
    AAVE_V3 = "aave_v3"
    PAIR = "pair"
    POOL = "pool"


@dataclass(frozen=True, slots=True)
class Offer:
    """A loan that could be had: at most `available` base units of the cycle's token."""

    loan: Loan
    available: int

    def cost_wei(self, amount: int, gas_price_wei: int, wei_per_unit: tuple[int, int]) -> int:
        """What lending `amount` costs, in wei: its fee at `wei_per_unit` (wei, for so many base units), and its gas."""
        wei, units = wei_per_unit
        fee = self.loan.debt(amount) - amount
        return -(-fee * wei // units) + GAS_PER_LENDER[self.loan.lender] * gas_price_wei


_OUT_OF_ONE_BALANCE = {
    Lender.UNISWAP_V4: HopKind.UNISWAP_V4,
    Lender.BALANCER_V3: HopKind.BALANCER_V3,
    Lender.AAVE_V3: HopKind.AAVE_V3,
}
"""The hops that are paid out of what a lender holds."""

Offers = Mapping[Token, tuple[Offer, ...]]
"""What the lenders of which a chain has one can lend of each token."""


def cheapest(
    offers: Iterable[Offer], amount: int, *, gas_price_wei: int, wei_per_unit: tuple[int, int]
) -> Offer | None:
    """The offer by which `amount` costs least; None where nobody has so much. Of equals the first."""
    able = [offer for offer in offers if offer.available >= amount]
    return min(able, key=lambda offer: offer.cost_wei(amount, gas_price_wei, wei_per_unit), default=None)


def pool_offers(pools: Iterable[Pool], token: Token) -> Iterator[Offer]:
    """What pairs and pools could lend of `token`, as far as their state says it: a pair less than its reserve, a pool
    what can be bought in it."""
    for pool in pools:
        if token not in pool.tokens:
            continue
        first = token == pool.tokens[0]
        if isinstance(pool, ConstantProductPool):
            lender, available = Lender.PAIR, pool.reserves[0 if first else 1] - 1
        elif type(pool) is ConcentratedPool:
            lender, available = Lender.POOL, _for_sale(pool, token)
        else:
            continue
        if available > 0:
            yield Offer(Loan(lender, pool.address, pool.fee_ppm, first), available)


def harmless(loan: Loan, found: Opportunity) -> bool:
    """Whether no hop calls who lends: pairs, pools and Balancer's older vault are locked while a loan is out."""
    hops = [step.hop for step in found.steps if step.hop is not None]
    if loan.lender is Lender.BALANCER_V2:
        return all(hop.kind is not HopKind.BALANCER_V2 for hop in hops)
    return loan.lender not in (Lender.PAIR, Lender.POOL) or all(hop.pool != loan.pool for hop in hops)


def funded(
    found: Opportunity,
    pools: Mapping[str, Pool],
    choice: LoanFrom,
    singletons: Offers | None,
    gas_price_wei: int,
) -> Opportunity | None:
    """The cycles with their input lent as `choice` says, sized and gaining after its fee; None where nobody lends it.

    `singletons` are the offers of those of which a chain has one; None where nobody asked them: the executor then
    finds a lender by itself.
    """
    on_credit = all(route[0].hop is not None and route[0].hop.kind not in LENT_KINDS for route in found.routes)
    if choice is LoanFrom.NONE:
        return found if on_credit else None
    if choice is LoanFrom.CHEAPEST and (on_credit or singletons is None):
        return found
    token, named = found.steps[0].token_in, Lender.__members__.get(choice.name)
    standing = [_spare(offer, found) for offer in (singletons or {}).get(token, ())]
    offers = (offer for offer in chain(standing, _pools_where_needed(standing, pools, found, named)))
    able = [offer for offer in offers if named in (None, offer.loan.lender) and harmless(offer.loan, found)]
    wei_per_unit = WEI_PER_ETH * found.worth.numerator, 10**token.decimals * found.worth.denominator
    whole = cheapest(able, found.amount_in, gas_price_wei=gas_price_wei, wei_per_unit=wei_per_unit)
    less = (offer for offer in able if 0 < offer.available < found.amount_in)
    part = max(less, key=lambda offer: (-offer.loan.fee_ppm, offer.available), default=None)
    made = (_lent(found, offer, pools) for offer in (whole, part) if offer is not None)
    gaining = (lent for lent in made if lent is not None)
    return max(gaining, key=lambda lent: lent.net_profit_wei(gas_price_wei), default=None)


def _spare(offer: Offer, found: Opportunity) -> Offer:
    """What of `offer` the cycles can have: the loan is still out when its lender pays them, out of the same balance."""
    token, owed, most = found.steps[0].token_in, found.amount_in, found.amount_in
    for step in found.steps:
        if step.hop is not None and step.hop.kind is _OUT_OF_ONE_BALANCE.get(offer.loan.lender):
            owed += step.amount_out if step.token_out == token else -step.amount_in if step.token_in == token else 0
            most = max(most, owed)
    if most == found.amount_in or most <= offer.available:
        return offer
    # A part gains more for its size than the whole, by about as much again where prices move evenly.
    return replace(offer, available=offer.available * found.amount_in // (most + found.gain))


def _pools_where_needed(
    standing: Iterable[Offer], pools: Mapping[str, Pool], found: Opportunity, named: Lender | None
) -> Iterator[Offer]:
    """Pairs and pools, which all ask for a fee: only where nobody lends the whole for nothing."""
    if named not in (None, Lender.PAIR, Lender.POOL):
        return
    free = (offer for offer in standing if not offer.loan.fee_ppm and harmless(offer.loan, found))
    if named is None and any(offer.available >= found.amount_in for offer in free):
        return
    yield from pool_offers(pools.values(), found.steps[0].token_in)


def _lent(found: Opportunity, offer: Offer, pools: Mapping[str, Pool]) -> Opportunity | None:
    """The cycles on that loan; None where what is left after its fee, or of what it covers, gains nothing.

    One walk is sized anew, several keep their sizes.
    """
    loan = offer.loan
    if len(found.routes) > 1:
        if offer.available < found.amount_in:
            return None
        gain = found.gain - (loan.debt(found.amount_in) - found.amount_in)
        return replace(found, loan=loan, gain=gain) if gain > 0 else None
    if not loan.fee_ppm and offer.available >= found.amount_in:
        return replace(found, loan=loan)
    route = [PoolHop(pools[step.venue], step.token_in, step.token_out) for step in found.steps]
    token = found.steps[0].token_in
    borrowing = Borrowing(offer)
    curves = [borrowing.pieces(), *(pools[step.venue].pieces(step.token_in, step.token_out) for step in found.steps)]
    debt, left = optimal_input(curves)
    amounts = best_cycle([PoolHop(borrowing, token, token), *route], int(debt), left) if left > 0.0 else None
    if amounts is None:
        return None
    taken = amounts[1:]
    steps = (
        replace(step, amount_in=amount_in, amount_out=amount_out)
        for step, amount_in, amount_out in zip(found.steps, taken, taken[1:], strict=False)
    )
    return replace(found, steps=tuple(steps), gain=taken[-1] - loan.debt(taken[0]), loan=loan)


@dataclass(frozen=True, slots=True)
class Borrowing:
    """A loan as a hop before the first: what is paid back goes in, what is lent comes out."""

    offer: Offer

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """The most that can be had for a debt of `amount_in`. Raises `AmountOutOfRange`, `InsufficientLiquidity`."""
        fee_ppm = self.offer.loan.fee_ppm
        if amount_in <= 0:
            raise AmountOutOfRange(f"a debt of {amount_in} {token_in} is none")
        if self.offer.loan.lender is Lender.PAIR:
            lent = amount_in * (PPM - fee_ppm) // PPM
        else:
            lent = amount_in * PPM // (PPM + fee_ppm)
        self._require(lent)
        return lent

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The debt of borrowing `amount_out`. Raises `InsufficientLiquidity`."""
        self._require(amount_out)
        return self.offer.loan.debt(amount_out)

    def pieces(self) -> tuple[Piece, ...]:
        """One straight piece, up to what is there."""
        most = self.offer.loan.debt(self.offer.available)
        return (Piece(self.offer.available / most, 0.0, float(most)),)

    def _require(self, lent: int) -> None:
        if lent > self.offer.available:
            raise InsufficientLiquidity(f"{lent} of {self.offer.available} are asked of {self.offer.loan.lender.name}")


def _for_sale(pool: ConcentratedPool, token: Token) -> int:
    """What the liquidity that is known of holds of `token`, rounded down."""
    other = pool.tokens[1 if token == pool.tokens[0] else 0]
    bought = sum(piece.rate * piece.cap / (1.0 + piece.curvature * piece.cap) for piece in pool.pieces(other, token))
    return int(bought * (1.0 - ROUNDING))
