"""The market says why a cycle is not an opportunity, and prints one that is with all its figures."""

from dataclasses import replace

import pytest

from bot.market.why import Answer
from tests.bot.market.samples import DAI, ETH, USD, USDC, WBTC, WETH, block, book, market, sync, v2
from tests.chains.pools.samples import at
from tests.chains.pools.test_balancer_v3 import stable

WEI = 10**18
FAIR = v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6))
DEAR = v2(2, WETH, USDC, (1_000 * WEI, 2_000_000 * 10**6))
SAME = v2(3, WETH, USDC, (1_000 * WEI, 1_901_000 * 10**6))
ELSEWHERE = v2(4, USDC, DAI, (10**12, 10**24)), v2(5, USDC, DAI, (10**12, 2 * 10**24))


def answers(made, *names, **terms):
    return {each.answer for each in made.explain(list(names), **terms)}


def test_each_reason_is_told():
    made = market(FAIR, DEAR, SAME, *ELSEWHERE)
    assert answers(made, FAIR.venue, DEAR.venue) == {Answer.OPPORTUNITY, Answer.FEES}
    assert answers(made, FAIR.venue, SAME.venue) == {Answer.FEES}
    assert answers(made, FAIR.venue, DEAR.venue, gas_price_wei=10**15) == {Answer.GAS, Answer.FEES}
    assert answers(made, FAIR.venue, ELSEWHERE[0].venue) == {Answer.NO_CYCLE}
    assert answers(made, *(pool.venue for pool in ELSEWHERE)) == {Answer.ELSEWHERE}
    assert answers(made, FAIR.venue, FAIR.venue) == {Answer.POOL_TWICE}
    assert answers(made, FAIR.venue, at(99)) == {Answer.UNKNOWN_POOL}


def test_a_venue_that_went_out_is_named_with_its_reason():
    made = market(FAIR, DEAR)
    made.remove(DEAR.venue, "its owner paused it")
    (told,) = made.explain([FAIR.venue, DEAR.venue])
    assert told.answer is Answer.UNKNOWN_POOL and "its owner paused it" in told.detail


def test_an_opportunity_that_is_explained_is_the_one_that_is_found():
    made = market(FAIR, DEAR)
    (found,) = made.cycles()
    best = next(each for each in made.explain([FAIR.venue, DEAR.venue]) if each.answer is Answer.OPPORTUNITY)
    assert best.trade.gain == pytest.approx(found.gain, rel=1e-6)
    assert [step.venue for step in best.trade.steps] == [step.venue for step in found.steps]


def test_an_opportunity_through_a_pool_whose_curve_is_fitted_is_explained_at_its_own_size():
    flat = replace(stable(), tokens=(WETH, DAI), balances=(11 * WEI, 3 * WEI), rates=(WEI, WEI), amp=2_000_000)
    made = market(flat, v2(2, DAI, WETH, (10**23, 104 * 10**21)))
    (found,) = made.cycles()
    best = next(each for each in made.explain([flat.venue, at(2)]) if each.answer is Answer.OPPORTUNITY)
    assert best.trade.gain == pytest.approx(found.gain, rel=1e-6)


def test_a_book_is_explained_as_if_it_traded_tokens_of_the_chain():
    made = market(FAIR, book([("2100", "50")], [("2101", "50")]))
    assert answers(made, FAIR.venue, "binance:ETH/USDT") == {Answer.OPPORTUNITY, Answer.FEES}


def test_an_opportunity_prints_marginal_prices_fees_and_sizes_along_its_route():
    (found,) = market(FAIR, DEAR).cycles()
    lines = found.explain().splitlines()
    assert len(lines) == 4 and "product of marginal prices 1.04" in lines[-1] and "gas" in lines[-1]
    for line, step in zip(lines[1:3], found.steps, strict=True):
        assert all(text in line for text in (step.venue, "marginal", "average", "fee 0.3 %", step.token_in.symbol))


def test_what_is_asked_of_the_market_by_strategies_is_answered_as_its_examples_say():
    made = market(FAIR, DEAR, v2(6, WBTC, WETH, (100 * 10**8, 1_600 * WEI)))
    assert made.changed == {FAIR.venue, DEAR.venue, at(6)}
    made.take_changed()
    made.apply(block(1, sync(DEAR, (1_000 * WEI, 2_100_000 * 10**6))))
    assert made.changed == {DEAR.venue}
    assert len(list(made.cycles(through=made.changed))) == 1
    assert made.price(ETH, in_=USD) == pytest.approx(2_000, rel=0.06)
    routed = made.route(WETH, USDC, 10 * WEI)
    assert routed.amount_out >= routed.single.amount_out > 0
