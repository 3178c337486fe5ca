"""The market keeps itself current, finds what there is to gain, and is not taken in by what there is not."""

import random
from dataclasses import replace

import pytest

from bot.exactness.curve import tricrypto
from bot.market import OutOfOrder, UnknownVenue, disjoint
from bot.market.exact import PoolHop, forward
from chains.assets import Asset, Assets
from chains.pools.constant_product import SYNC
from tests.bot.market.samples import (
    BTC,
    DAI,
    ETH,
    USD,
    USDC,
    WBTC,
    WETH,
    block,
    book,
    market,
    sync,
    v2,
    v3,
)
from tests.chains.pools.samples import at, log, token

WEI = 10**18


def two_pools(**more):
    """USDC for WETH at 1,900 and at 2,000."""
    cheap = v2(1, USDC, WETH, (1_900_000 * 10**6, 1_000 * WEI), **more)
    dear = v2(2, USDC, WETH, (2_000_000 * 10**6, 1_000 * WEI), **more)
    return cheap, dear


@pytest.mark.parametrize("pack", [False, True])
def test_what_is_settled_beforehand_is_found_as_it_would_have_been_without_that(pack):
    cheap, dear = two_pools()
    asked, settled = market(cheap, dear), market(cheap, dear)
    for made in (asked, settled):
        made.prepare(10**9)
        made.apply(block(1, sync(dear, (2_100_000 * 10**6, 1_000 * WEI))))
    settled.pack() if pack else settled.settle(10**9)
    assert list(settled.cycles(gas_price_wei=10**9)) == list(asked.cycles(gas_price_wei=10**9)) != []


def test_a_two_pool_cycle_is_found_sized_and_exact():
    cheap, dear = two_pools()
    found = list(market(cheap, dear).cycles())
    assert len(found) == 1
    first, second = found[0].steps
    assert (first.venue, second.venue) == (dear.address, cheap.address)
    assert (first.token_in, second.token_out) == (WETH, WETH)
    route = [PoolHop(dear, WETH, USDC), PoolHop(cheap, USDC, WETH)]
    assert forward(route, first.amount_in) == (first.amount_in, first.amount_out, second.amount_out)
    assert found[0].gain == second.amount_out - first.amount_in > 0
    for nearby in (0.999, 1.001):
        amounts = forward(route, int(first.amount_in * nearby))
        assert amounts[-1] - amounts[0] < found[0].gain


def test_a_triangle_is_begun_at_the_start_asset_whichever_edge_changed():
    pools = [
        v2(1, WETH, USDC, (1_000 * WEI, 1_900_000 * 10**6)),
        v3(2, USDC, WBTC, -57_000, [(-66_000, -48_000, 10**13)], fee_ppm=500),
        v2(3, WBTC, WETH, (100 * 10**8, 1_700 * WEI)),
    ]
    made = market(*pools)
    whole = [found.amounts for found in made.cycles()]
    assert len(whole) == 1
    for pool in pools:
        found = list(made.cycles(through=[pool.address]))
        assert [opportunity.amounts for opportunity in found] == whole
        assert found[0].steps[0].token_in == found[0].steps[-1].token_out == WETH
    assert list(made.cycles(through=[])) == []
    assert list(made.cycles(max_hops=2)) == []


def test_legs_chain_exactly_and_gas_is_taken_off():
    found = next(market(*two_pools()).cycles())
    one, other = found.swaps()
    assert one.amount_out == other.amount_in and found.order() is None
    assert one.hop.pool == at(2) and one.hop.zero_for_one is False
    assert found.gain_wei == found.gain == other.amount_out - one.amount_in
    assert found.net_profit_wei(10**9) == found.gain - found.gas_estimate * 10**9
    gas_price = found.gain // found.gas_estimate
    made = market(*two_pools())
    assert list(made.cycles(gas_price_wei=gas_price - 1)) and not list(made.cycles(gas_price_wei=gas_price + 1))
    shown = found.explain()
    assert all(text in shown for text in ("WETH -> USDC -> WETH", at(1), "fee 0.3 %", "marginal", "gas"))


def test_a_change_to_a_venue_writes_only_its_own_edges():
    rng = random.Random(3)
    tokens = [WETH, USDC, DAI, WBTC]
    pools = [v2(100 + n, *rng.sample(tokens, 2), (10**12 + n, 10**12 - n)) for n in range(200)]
    made = market(*pools, book([("1900", "1")], [("1901", "1")]))
    before, rates = made.graph.updates, made.graph.rates.copy()
    made.take_changed()
    made.apply(block(1, sync(pools[7], (10**12, 2 * 10**12))))
    assert made.graph.updates - before == 2
    touched = {edge.id for edge in made.graph.edges_of(pools[7].address)}
    assert {i for i in range(len(rates)) if made.graph.rates[i] != rates[i]} == touched
    assert made.changed == {pools[7].address}
    before = made.graph.updates
    made.set_book(book([("1902", "1")], [("1903", "1")]))
    assert made.graph.updates - before == 2
    assert made.take_changed() == {pools[7].address, "binance:ETH/USDT"}
    assert made.changed == frozenset()


def test_undo_restores_every_pool_and_its_edges():
    cheap, dear = two_pools()
    made = market(cheap, dear)
    rates = [made.graph.rates.copy()]
    for number in range(1, 6):
        logs = [sync(cheap, (1_000 * number, 10**9)), sync(cheap, (1_500 * number, 10**9))]
        made.apply(block(number, *logs[: number % 3], *([sync(dear, (7, number))] if number == 4 else [])))
        rates.append(made.graph.rates.copy())
    for number in (4, 2, 0):
        assert made.undo(number) == ()
        assert made.number == number
        assert (made.graph.rates == rates[number]).all()
    assert (made.pool(cheap.address), made.pool(dear.address)) == (cheap, dear)
    made.apply(block(1, sync(cheap, (5, 6))))
    assert made.pool(cheap.address).reserves == (5, 6)


def test_pools_loaded_on_an_undone_block_are_given_back_for_loading():
    cheap, dear = two_pools()
    made = market(cheap)
    made.apply(block(1))
    made.apply(block(2))
    made.add_pool(dear, at_block=2)
    assert made.undo(1) == (dear.address,)
    assert dear.address not in made.pools and "reorganisation" in made.refused[dear.address]
    made.add_pool(dear)
    assert made.refused == {} and made.pool(dear.address) == dear


def test_a_reorganisation_beyond_memory_takes_everything_out():
    cheap, dear = two_pools()
    made = market(cheap, dear)
    for number in range(1, 200):
        made.apply(block(number))
    assert set(made.undo(50)) == {cheap.address, dear.address}
    assert not list(made.cycles())


def test_a_block_that_does_not_follow_is_refused():
    made = market(*two_pools())
    made.apply(block(5))
    for number in (4, 7):
        with pytest.raises(OutOfOrder, match=f"block {number} does not follow 5"):
            made.apply(block(number))
    stranger = block(6)
    with pytest.raises(OutOfOrder, match="block 6 is built on another block 5"):
        made.apply(replace(stranger, head=replace(stranger.head, parent_hash="0x" + "5" * 64)))


def test_the_first_block_must_follow_the_loaded_state():
    made = market()
    made.add_pool(two_pools()[0], at_block=5)
    with pytest.raises(OutOfOrder, match="block 7 does not follow 5, as of which"):
        made.apply(block(7))
    made.apply(block(6))


def test_logs_that_a_loaded_state_already_holds_are_not_applied_twice():
    cheap, _ = two_pools()
    made = market()
    made.add_pool(cheap, at_block=5)
    made.apply(block(5, sync(cheap, (1, 1))))
    assert made.pool(cheap.address) == cheap
    made.apply(block(6, sync(cheap, (1, 1))))
    assert made.pool(cheap.address).reserves == (1, 1)


def test_a_log_not_understood_stops_that_pool_alone_until_undone():
    cheap, dear = two_pools()
    made = market(cheap, dear)
    made.apply(block(1, log(cheap.address, [SYNC], 1), sync(dear, (3, 4))))
    assert "log of block 1 was not understood" in made.refused[cheap.address]
    assert made.pool(dear.address).reserves == (3, 4)
    with pytest.raises(UnknownVenue, match="not understood"):
        made.pool(cheap.address)
    made.undo(0)
    assert made.pool(cheap.address) == cheap and made.refused == {}


def test_removed_venues_leave_no_edge_behind_and_their_numbers_are_used_again():
    cheap, dear = two_pools()
    made = market(cheap, dear)
    edges = len(made.graph.edges)
    for _ in range(50):
        made.remove(cheap.address, "quarantined")
        assert not list(made.cycles())
        made.add_pool(cheap)
    assert len(made.graph.edges) == edges and list(made.cycles())


def test_opportunities_that_share_a_pool_are_given_once_unless_asked_for():
    third = v2(3, USDC, WETH, (1_880_000 * 10**6, 1_000 * WEI))
    made = market(*two_pools(), third)
    best = list(made.cycles())
    overlapping = list(made.cycles(overlapping=True))
    assert len(best) == 1 and len(overlapping) > 1
    assert disjoint(overlapping) == best
    gains = [opportunity.gain for opportunity in overlapping]
    assert gains == sorted(gains, reverse=True)


def test_a_hundred_parallel_pools_are_all_compared():
    pools = [v2(100 + n, USDC, WETH, ((1_900_000 + 300 * n) * 10**6, 1_000 * WEI)) for n in range(100)]
    found = list(market(*pools).cycles())
    assert {step.venue for step in found[0].steps} == {pools[0].address, pools[-1].address}


def phantoms():
    zero, many = token(30, "ZERO", 0), token(31, "MANY", 36)
    yield "reserves of one unit", [v2(1, WETH, zero, (1, 1)), v2(2, WETH, zero, (10**18, 1))]
    yield "a few units without decimals", [v2(1, WETH, zero, (3 * WEI, 4)), v2(2, WETH, zero, (9 * WEI, 3))]
    yield "36 decimals", [v2(1, WETH, many, (5, 10**30)), v2(2, WETH, many, (4, 2**112 - 1))]
    yield "no reserves", [v2(1, WETH, zero, (0, 5)), v2(2, WETH, zero, (5, 0))]
    yield "no liquidity", [v3(1, WETH, zero, 0, []), v2(2, WETH, zero, (5 * WEI, 5))]
    yield "at the end of all prices", [v3(1, WETH, zero, 887_271, [(887_160, 887_220, 1)]), v2(2, WETH, zero, (9, 9))]


@pytest.mark.parametrize(("name", "pools"), list(phantoms()), ids=[name for name, _ in phantoms()])
def test_odd_pools_neither_crash_nor_promise_what_cannot_be_had(name, pools):
    made = market(*pools)
    for opportunity in made.cycles(overlapping=True):
        amount = opportunity.steps[0].amount_in
        for step in opportunity.steps:
            assert step.amount_in == amount
            amount = made.pool(step.venue).quote(step.token_in, amount)
        assert amount - opportunity.steps[0].amount_in == opportunity.gain > 0


def test_an_empty_market_and_a_market_of_one_pool_offer_nothing():
    assert list(market().cycles()) == [] and list(market(two_pools()[0]).cycles(books=1)) == []
    with pytest.raises(ValueError, match="2 to 4 hops"):
        market().cycles(max_hops=5)


def test_reference_prices_come_from_the_deepest_venue_without_its_fee():
    cheap, _ = two_pools()
    lying = v2(9, USDC, WETH, (10**6, WEI), fee_ppm=10_000)
    btc = v2(10, WBTC, WETH, (100 * 10**8, 1_600 * WEI))
    made = market(cheap, lying, btc)
    assert made.price(ETH, in_=USD) == pytest.approx(1900)
    assert made.price(USD) == pytest.approx(1 / 1900)
    assert made.price(BTC, in_=USD) == pytest.approx(16 * 1900)
    assert made.price(ETH) == 1.0
    assert made.price(Asset("none")) != made.price(Asset("none"))
    made.apply(block(1, sync(cheap, (2_100_000 * 10**6, 1_000 * WEI))))
    assert made.price(ETH, in_=USD) == pytest.approx(2100)


def test_a_pool_of_three_tokens_tells_each_price_by_the_same_two_both_ways():
    pool = tricrypto()
    usdt, wbtc, weth = pool.tokens
    made = market(pool, assets=Assets({ETH: [weth], BTC: [wbtc], USD: [usdt]}))
    list(made.cycles())
    for asset, token_in in ((BTC, wbtc), (USD, usdt)):
        marginal = pool.marginal_price(token_in, weth) * 10.0 ** (token_in.decimals - weth.decimals)
        assert made.price(asset) == pytest.approx(marginal, rel=0.01)
        assert made._packing.value(made._packing.starts(asset)[0]) == pytest.approx(marginal, rel=0.01)


def test_a_thin_pool_sets_no_price_behind_a_venue_shallower_still_whichever_came_first():
    shallow = v2(9, USDC, WETH, (190_000 * 10**6, 100 * WEI))
    deep = v2(10, USDC, DAI, (30_000_000 * 10**6, 30_000_000 * WEI))
    thin = v2(11, USDC, DAI, (300_000 * 10**6, 360_000 * WEI))
    for pools in ((shallow, deep, thin), (thin, deep, shallow)):
        made = market(*pools)
        assert made.price(made.graph.assets.of(DAI)) == pytest.approx(1 / 1900)


def test_a_thousand_blocks_of_random_events_and_reorgs_leave_the_state_of_a_straight_run():
    rng = random.Random(11)
    pools = [v2(100 + n, USDC, WETH, (10**12, 10**21)) for n in range(5)]
    made, straight = market(*pools), []
    for _ in range(400):
        if straight and rng.random() < 0.2:
            depth = rng.randint(1, min(len(straight), 9))
            del straight[len(straight) - depth :]
            made.undo(len(straight))
        logs = [sync(rng.choice(pools), (rng.randint(1, 10**12), rng.randint(1, 10**12))) for _ in range(2)]
        straight.append(logs)
        made.apply(block(len(straight), *logs))
    other = market(*pools)
    for number, logs in enumerate(straight, start=1):
        other.apply(block(number, *logs))
    assert dict(made.pools) == dict(other.pools)
    assert (made.graph.rates == other.graph.rates).all()


def test_an_unmapped_start_asset_is_an_asset_of_its_own():
    made = market(*two_pools(), assets=Assets({}))
    own = Asset(f"{WETH.place}:{WETH.address}")
    assert list(made.cycles()) == [] and len(list(made.cycles(start=own))) == 1
