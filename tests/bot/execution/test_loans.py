"""Who lends a cycle's input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.execution.deployment import NO_VENUES, Venues
from bot.execution.loans import AAVE_FEE_PPM, GAS, Offer, cheapest, singleton_loans
from chains.assets import address
from chains.loans import Lender, Loan

ETH = 10**18
GWEI = 10**9
ONE_TO_ONE = (1, 1)
POOL = address("0x" + "11" * 20)
AAVE = Loan(Lender.AAVE_V3, fee_ppm=AAVE_FEE_PPM)
PAIR = Loan(Lender.PAIR, POOL, 3000)
LOW_FEE = Loan(Lender.POOL, POOL, 100)
ALL = (Loan(Lender.UNISWAP_V4), Loan(Lender.BALANCER_V3), Loan(Lender.BALANCER_V2), AAVE, PAIR, LOW_FEE)


def choose(amount: int, *offers: Offer, gwei: int = 1) -> Loan | None:
    return cheapest(offers, amount, gas_price_wei=gwei * GWEI, wei_per_unit=ONE_TO_ONE)


def test_who_lends_for_nothing_and_with_least_gas_is_cheapest() -> None:
    assert choose(ETH, *(Offer(loan, 100 * ETH) for loan in reversed(ALL))) == Loan(Lender.UNISWAP_V4)


def test_who_has_not_enough_does_not_lend() -> None:
    offers = [Offer(Loan(Lender.UNISWAP_V4), ETH - 1), Offer(Loan(Lender.BALANCER_V3), 0), Offer(AAVE, ETH)]
    assert choose(ETH, *offers) == AAVE
    assert choose(ETH + 1, *offers) is None
    assert choose(ETH) is None


def test_a_fee_is_weighed_against_gas() -> None:
    """Aave's 5 bps and 110,000 gas against a pool's 1 bp and 39,500, and a pair's 30 bps and 40,500."""
    assert choose(ETH, Offer(PAIR, ETH), Offer(AAVE, ETH), gwei=1) == AAVE
    assert choose(ETH // 1000, Offer(PAIR, ETH), Offer(AAVE, ETH), gwei=100) == PAIR
    assert choose(ETH, Offer(AAVE, ETH), Offer(LOW_FEE, ETH)) == LOW_FEE


@given(st.lists(st.builds(Offer, st.sampled_from(ALL), st.integers(0, 10**24))), st.integers(1, 10**24))
def test_nobody_who_could_lend_is_cheaper_than_the_one_chosen(offers: list[Offer], amount: int) -> None:
    chosen = choose(amount, *offers)
    able = [offer for offer in offers if offer.available >= amount]
    assert (chosen is None) == (not able)
    if chosen is not None:
        costs = {offer.loan: offer.cost_wei(amount, GWEI, ONE_TO_ONE) for offer in able}
        assert costs[chosen] == min(costs.values())


def test_a_chain_offers_the_singletons_it_has() -> None:
    at = [address(f"0x{number:040x}") for number in range(1, 6)]
    everyone = singleton_loans(Venues(*at))
    assert {loan.lender for loan in everyone} == {
        *(Lender.UNISWAP_V4, Lender.BALANCER_V3, Lender.BALANCER_V2, Lender.AAVE_V3)
    }
    assert singleton_loans(NO_VENUES) == ()
    assert singleton_loans(Venues(aave_pool=at[0])) == (AAVE,)


def test_every_lender_has_its_gas() -> None:
    assert set(GAS) == set(Lender)
