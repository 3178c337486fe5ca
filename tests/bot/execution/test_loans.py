"""Who lends a cycle's input, and what a cycle is worth on a loan."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.loans import Borrowing, LoanFrom, Offer, cheapest, funded, harmless, pool_offers
from bot.market.exact import PoolHop, forward
from bot.market.kernels import optimal_input
from bot.market.opportunity import GAS_PER_LENDER, Opportunity, Step
from chains.assets import Address, Token, address
from chains.executor import BalancerV2Route, CurveRoute, Hop, HopKind, UniswapV4Route
from chains.loans import Lender, Loan
from chains.pools.pool import InsufficientLiquidity, Pool
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market.samples import DAI, ETH, USDC, WETH, v2, v3

ONE_TO_ONE = (1, 1)
POOL = address("0x" + "11" * 20)
AAVE = Loan(Lender.AAVE_V3, fee_ppm=500)
PAIR = Loan(Lender.PAIR, POOL, 3000)
LOW_FEE = Loan(Lender.POOL, POOL, 100)
MANAGER = Loan(Lender.UNISWAP_V4)
ALL = (MANAGER, Loan(Lender.BALANCER_V3), Loan(Lender.BALANCER_V2), AAVE, PAIR, LOW_FEE)


def choose(amount: int, *offers: Offer, gwei: int = 1) -> Loan | None:
    best = cheapest(offers, amount, gas_price_wei=gwei * GWEI, wei_per_unit=ONE_TO_ONE)
    return best.loan if best else None


def test_who_lends_for_nothing_and_with_least_gas_is_cheapest() -> None:
    assert choose(ETHER, *(Offer(loan, 100 * ETHER) for loan in reversed(ALL))) == MANAGER


def test_who_has_not_enough_does_not_lend() -> None:
    offers = [Offer(MANAGER, ETHER - 1), Offer(Loan(Lender.BALANCER_V3), 0), Offer(AAVE, ETHER)]
    assert choose(ETHER, *offers) == AAVE
    assert choose(ETHER + 1, *offers) is None
    assert choose(ETHER) is None


def test_a_fee_is_weighed_against_gas() -> None:
    """Aave's 5 bps and 110,000 gas against a pool's 1 bp and 39,500, and a pair's 30 bps and 40,500."""
    assert choose(ETHER, Offer(PAIR, ETHER), Offer(AAVE, ETHER), gwei=1) == AAVE
    assert choose(ETHER // 1000, Offer(PAIR, ETHER), Offer(AAVE, ETHER), gwei=100) == PAIR
    assert choose(ETHER, Offer(AAVE, ETHER), Offer(LOW_FEE, ETHER)) == LOW_FEE


@given(st.lists(st.builds(Offer, st.sampled_from(ALL), st.integers(0, 10**24))), st.integers(1, 10**24))
def test_nobody_who_could_lend_is_cheaper_than_the_one_chosen(offers: list[Offer], amount: int) -> None:
    chosen = choose(amount, *offers)
    able = [offer for offer in offers if offer.available >= amount]
    assert (chosen is None) == (not able)
    if chosen is not None:
        costs = {offer.loan: offer.cost_wei(amount, GWEI, ONE_TO_ONE) for offer in able}
        assert costs[chosen] == min(costs.values())


def test_every_lender_has_its_gas_and_its_name() -> None:
    assert set(GAS_PER_LENDER) == set(Lender)
    assert {choice.name for choice in LoanFrom} == {*Lender.__members__, "CHEAPEST", "NONE"}


@given(st.sampled_from(ALL), st.integers(1, 10**24))
def test_what_is_borrowed_for_a_debt_is_the_most_that_leads_to_no_greater_one(loan: Loan, debt: int) -> None:
    borrowing = Borrowing(Offer(loan, 10**30))
    lent = borrowing.paid(WETH, debt)
    assert borrowing.quote_exact_out(WETH, lent) == loan.debt(lent) <= debt < loan.debt(lent + 1)


def test_nobody_lends_more_than_there_is() -> None:
    with pytest.raises(InsufficientLiquidity):
        Borrowing(Offer(AAVE, 10**6)).quote_exact_out(WETH, 10**6 + 1)


CHEAP = v2(1, USDC, WETH, (2_000_000 * 10**6, 1_000 * ETHER))
DEAR = v2(2, USDC, WETH, (2_100_000 * 10**6, 1_000 * ETHER))
ELSEWHERE = v2(3, WETH, DAI, (50_000 * ETHER, 10**8 * ETHER))
POOLS: dict[str, Pool] = {pool.venue: pool for pool in (CHEAP, DEAR, ELSEWHERE)}
CURVE = Hop(HopKind.CURVE, DEAR.address, False, 0, CurveRoute(Address(USDC.address), 0, 1))
WEIGHTED = Hop(HopKind.BALANCER_V2, DEAR.address, False, 0, BalancerV2Route(Address(USDC.address), 1))
PLENTY = 10**6 * ETHER


def cycle(size: int, first: Hop | None = None) -> Opportunity:
    """WETH to the dear pool and back from the cheap one. `first` makes the first venue one that gives no credit."""
    hops = [PoolHop(DEAR, WETH, USDC), PoolHop(CHEAP, USDC, WETH)]
    amounts = forward(hops, size)
    assert amounts is not None
    steps = (
        Step(DEAR.venue, WETH, USDC, amounts[0], amounts[1], 1.0, 3000, first or DEAR.hop(WETH)),
        Step(CHEAP.venue, USDC, WETH, amounts[1], amounts[2], 1.0, 3000, CHEAP.hop(USDC)),
    )
    return Opportunity(ETH, 18, steps, amounts[-1] - amounts[0])


BEST = int(optimal_input([DEAR.pieces(WETH), CHEAP.pieces(USDC)])[0])
LENT = cycle(BEST, CURVE)


def offering(*offers: Offer) -> dict[Token, tuple[Offer, ...]]:
    return {WETH: offers}


def on(found: Opportunity, choice: LoanFrom, *offers: Offer) -> Opportunity | None:
    return funded(found, POOLS, choice, offering(*offers), 10 * GWEI)


def test_a_first_hop_that_gives_credit_is_cheaper_than_any_loan() -> None:
    found = cycle(BEST)
    assert on(found, LoanFrom.CHEAPEST, Offer(MANAGER, PLENTY)) is found
    assert on(found, LoanFrom.NONE, Offer(MANAGER, PLENTY)) is found


def test_a_fee_counts_for_what_the_borrowed_token_is_worth() -> None:
    offers = Offer(LOW_FEE, PLENTY), Offer(AAVE, PLENTY)
    free_but_dear = Offer(Loan(Lender.BALANCER_V2), PLENTY)
    dear = on(LENT, LoanFrom.CHEAPEST, *offers, free_but_dear)
    assert dear is not None and dear.loan == free_but_dear.loan
    cheap = on(replace(LENT, worth=Fraction(1, 10**6)), LoanFrom.CHEAPEST, *offers, free_but_dear)
    assert cheap is not None and cheap.loan == LOW_FEE


def test_without_loans_a_cycle_whose_first_hop_gives_no_credit_is_passed_over() -> None:
    assert on(LENT, LoanFrom.NONE, Offer(MANAGER, PLENTY)) is None


def test_a_lender_that_is_named_lends_and_nobody_else() -> None:
    offers = Offer(MANAGER, PLENTY), Offer(AAVE, PLENTY)
    named = on(cycle(BEST), LoanFrom.AAVE_V3, *offers)
    assert named is not None and named.loan == AAVE
    assert on(LENT, LoanFrom.BALANCER_V2, *offers) is None
    pair = on(cycle(BEST), LoanFrom.PAIR, *offers)
    assert pair is not None and pair.loan == Loan(Lender.PAIR, ELSEWHERE.address, 3000, zero_for_one=True)


def test_a_free_loan_changes_no_size_and_its_gas_is_counted() -> None:
    free = on(LENT, LoanFrom.CHEAPEST, Offer(AAVE, PLENTY), Offer(MANAGER, PLENTY), Offer(LOW_FEE, PLENTY))
    assert free is not None and free.loan == MANAGER
    assert (free.steps, free.gain, free.gas_estimate) == (LENT.steps, LENT.gain, LENT.gas_estimate)
    older = on(LENT, LoanFrom.CHEAPEST, Offer(Loan(Lender.BALANCER_V2), PLENTY))
    more = GAS_PER_LENDER[Lender.BALANCER_V2] - GAS_PER_LENDER[Lender.UNISWAP_V4]
    assert older is not None and older.gas_estimate == LENT.gas_estimate + more


def test_a_fee_makes_the_size_smaller_and_what_is_left_is_the_best_there_is() -> None:
    lent = on(LENT, LoanFrom.CHEAPEST, Offer(AAVE, PLENTY))
    assert lent is not None and lent.loan == AAVE
    size = lent.amount_in
    assert lent.gain == lent.steps[-1].amount_out - AAVE.debt(size) > 0 and size < BEST

    def after_fee(amount: int) -> int:
        return cycle(amount).steps[-1].amount_out - AAVE.debt(amount)

    assert after_fee(size) == lent.gain
    assert all(after_fee(size + move) <= lent.gain for move in (-(10**15), -(10**12), 10**12, 10**15))
    assert lent.gain > after_fee(BEST)


def test_no_more_is_traded_than_can_be_lent() -> None:
    assert on(LENT, LoanFrom.UNISWAP_V4, Offer(MANAGER, 0)) is None
    lent = on(LENT, LoanFrom.UNISWAP_V4, Offer(MANAGER, ETHER))
    assert lent is not None and lent.loan == MANAGER
    assert 0.999 * ETHER < lent.amount_in <= ETHER and lent.gain == cycle(lent.amount_in).gain


def test_a_part_for_nothing_is_weighed_against_the_whole_for_a_fee() -> None:
    little = on(LENT, LoanFrom.CHEAPEST, Offer(MANAGER, ETHER), Offer(AAVE, PLENTY))
    most = on(LENT, LoanFrom.CHEAPEST, Offer(MANAGER, BEST * 9 // 10), Offer(AAVE, PLENTY))
    assert little is not None and little.loan == AAVE
    assert most is not None and most.loan == MANAGER


def test_where_nobody_lends_for_nothing_a_pool_that_the_cycle_does_not_pass_does() -> None:
    lent = on(LENT, LoanFrom.CHEAPEST)
    assert lent is not None and lent.loan == Loan(Lender.PAIR, ELSEWHERE.address, 3000, zero_for_one=True)
    assert lent.gain == lent.steps[-1].amount_out - lent.loan.debt(lent.amount_in)
    without = {venue: pool for venue, pool in POOLS.items() if pool is not ELSEWHERE}
    assert funded(LENT, without, LoanFrom.CHEAPEST, {}, 10 * GWEI) is None


def test_who_was_not_asked_leaves_the_choice_to_the_executor() -> None:
    assert funded(LENT, POOLS, LoanFrom.CHEAPEST, None, 10 * GWEI) is LENT


def test_a_fee_that_eats_the_gain_leaves_no_cycle() -> None:
    assert on(LENT, LoanFrom.AAVE_V3, Offer(Loan(Lender.AAVE_V3, fee_ppm=60_000), PLENTY)) is None


def test_who_is_locked_while_lending_is_not_asked_by_a_cycle_that_passes_it() -> None:
    assert not harmless(Loan(Lender.PAIR, DEAR.address, 3000), LENT)
    assert harmless(Loan(Lender.PAIR, ELSEWHERE.address, 3000), LENT)
    weighted = cycle(BEST, WEIGHTED)
    assert not harmless(Loan(Lender.BALANCER_V2), weighted) and harmless(Loan(Lender.BALANCER_V2), LENT)
    assert harmless(MANAGER, weighted) and harmless(AAVE, weighted)


def test_pairs_lend_less_than_they_hold_and_pools_what_can_be_bought_in_them() -> None:
    ranged = v3(4, WETH, DAI, 0, [(-600, 600, 10**21)])
    pair, pool = pool_offers([ELSEWHERE, ranged], WETH)
    assert (pair.loan, pair.available) == (Loan(Lender.PAIR, ELSEWHERE.address, 3000, True), 50_000 * ETHER - 1)
    bought = ranged.filled(DAI, 2**200).amount_out
    assert pool.loan == Loan(Lender.POOL, ranged.address, 3000, True)
    assert bought * (1 - 1e-6) <= pool.available <= bought
    assert list(pool_offers([CHEAP], DAI)) == []


def test_what_a_lender_itself_pays_the_cycle_is_not_there_to_be_lent() -> None:
    """Uniswap V4 pays the last hop out of the balance that the loan left, before it is paid back."""
    paying = Hop(HopKind.UNISWAP_V4, CHEAP.address, True, 3000, UniswapV4Route(Address(WETH.address), 60))
    found = replace(LENT, steps=(LENT.steps[0], replace(LENT.steps[1], hop=paying)))
    both = found.amount_in + found.steps[-1].amount_out
    assert on(found, LoanFrom.UNISWAP_V4, Offer(MANAGER, both)) == replace(found, loan=MANAGER)
    part = on(found, LoanFrom.UNISWAP_V4, Offer(MANAGER, both - 1))
    assert part is not None and both * 98 // 100 < part.amount_in + part.steps[-1].amount_out < both
    half = on(found, LoanFrom.UNISWAP_V4, Offer(MANAGER, both // 2))
    assert half is not None and both * 48 // 100 < half.amount_in + half.steps[-1].amount_out <= both // 2
    other = on(found, LoanFrom.CHEAPEST, Offer(MANAGER, found.amount_in), Offer(Loan(Lender.BALANCER_V3), PLENTY))
    assert other is not None and other.loan == Loan(Lender.BALANCER_V3)
