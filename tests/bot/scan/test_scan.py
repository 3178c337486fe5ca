"""A scan bounds, captures and explains, whatever the market looks like."""

from __future__ import annotations

import math

import pytest

from bot.market.dual.capture import Cause, Terms
from bot.market.dual.venues import BookVenue
from bot.market.why import Answer, why
from bot.scan.books_file import Books
from bot.scan.report import document, lines
from bot.scan.scan import NoNumeraire, numeraire_of, scan
from bot.snapshot.wrapping import with_wrappers
from chains.networks import load_network
from chains.pools.concentrated import ConcentratedPool
from chains.pools.tick_math import Ticks, sqrt_price_at
from chains.snapshot import LeftOut, Recorded, Snapshot
from tests.bot.market.samples import USDC, WBTC, WETH, book
from tests.bot.scan.recorded import recorded_snapshot
from tests.chains.pools.samples import at, pair, token

ETH = 10**18
MAINNET = load_network("ethereum")


def snapshot(*pools) -> Snapshot:
    return Snapshot(tuple(Recorded(pool, 7) for pool in pools), (LeftOut("0xgone", "listed without a state"),))


def crossed_pair(number: int = 1):
    return [
        pair((1_000 * ETH, 2_000_000 * 10**6), number=number, tokens=(WETH, USDC)),
        pair((1_000 * ETH, 1_900_000 * 10**6), number=number + 1, tokens=(WETH, USDC)),
    ]


def scanned(*pools, books: Books | None = None, **terms):
    return scan(snapshot(*pools), books or Books(), WETH, Terms(**terms))


def test_the_recorded_market_is_captured_nearly_whole_at_no_gas() -> None:
    recorded = recorded_snapshot()
    found = scan(recorded, Books(), numeraire_of(recorded, None), Terms())
    assert len(recorded.pools) == 1_780
    assert found.share >= 0.95
    dear = scan(recorded, Books(), found.numeraire, Terms(gas_price_wei=2 * 10**9))
    assert dear.bound == found.bound and 0 < dear.capture.net(2 * 10**9) < found.capture.gain
    assert all(trade.net(2 * 10**9) > 0 for trade in dear.capture.trades)


def test_states_of_several_blocks_are_said_to_be() -> None:
    first, second = crossed_pair()
    mixed = scan(Snapshot((Recorded(first, 7), Recorded(second, 9)), ()), Books(), WETH, Terms())
    assert next(iter(lines(mixed))).startswith("blocks 7 to 9, taken as one state:")
    assert (document(mixed)["first_block"], document(mixed)["block"]) == (7, 9)
    assert next(iter(lines(scanned(*crossed_pair())))).startswith("block 7:")


def test_the_bound_less_what_is_captured_is_explained_to_the_wei() -> None:
    for terms in ({}, {"gas_price_wei": 10**16}, {"most_in": float(ETH)}, {"most_hops": 1}):
        found = scanned(*crossed_pair(), **terms)
        assert sum(found.missed.values()) == found.bound - found.capture.gain
        assert all(units >= 0 for units in found.missed.values())


@pytest.mark.parametrize(
    ("terms", "cause"),
    [
        ({"gas_price_wei": 10**16}, Cause.GAS),
        ({"most_in": float(ETH)}, Cause.BUDGET),
        ({"most_hops": 1}, Cause.HOPS),
        ({"avoided": {crossed_pair()[0].venue: "because"}}, Cause.REFUSED),
    ],
)
def test_each_cause_is_named(terms, cause) -> None:
    found = scanned(*crossed_pair(), **terms)
    assert found.missed[cause] > 0.5 * found.bound


def test_a_document_has_what_was_promised_and_lines_say_the_same() -> None:
    found = scanned(*crossed_pair(), gas_price_wei=10**9)
    told = document(found)
    (one,) = told["opportunities"]
    assert int(told["captured_wei"]) == int(one["gross_wei"]) <= int(told["bound_wei"])
    assert int(one["net_wei"]) == int(one["gross_wei"]) - one["gas"] * 10**9 == int(told["captured_net_wei"])
    assert [hop["pool"] for hop in one["route"]] == [crossed_pair()[0].venue, crossed_pair()[1].venue]
    assert one["amounts"][0][1] == one["amounts"][1][0] and one["closes_after"] == 2
    assert told["left_out"] == [{"venue": "0xgone", "reason": "listed without a state"}]
    text = "\n".join(lines(found))
    assert "marginal" in text and "fee 0.3 %" in text and "of the bound" in text


def test_a_book_takes_part_and_its_hop_needs_no_gas() -> None:
    pool = pair((1_000 * ETH, 1_900_000 * 10**6), number=1, tokens=(WETH, USDC))
    bids, asks = [("1999", "5"), ("1990", "20")], [("2001", "5"), ("2010", "20")]
    venue = BookVenue(book(bids, asks), (WETH, USDC))
    found = scanned(pool, books=Books((venue,)))
    assert found.bound >= found.capture.gain >= 0.95 * found.bound > 0
    assert {step.venue for trade in found.capture.trades for step in trade.steps} == {pool.venue, venue.venue}


def test_what_is_still_offered_behind_all_trades_is_not_told_as_rounding() -> None:
    coarse = token(5, "COARSE", 0)
    pools = [
        pair((10 * ETH, 20), number=1, tokens=(WETH, coarse)),
        pair((11 * ETH, 20), number=2, tokens=(WETH, coarse)),
    ]
    found = scanned(*pools)
    assert found.bound > 0 and not found.capture.trades
    assert found.missed[Cause.LEFT] > 0.99 * found.bound and found.missed[Cause.ROUNDING] < 0.01 * found.bound
    traded = scanned(*crossed_pair())
    assert traded.capture.trades and traded.missed[Cause.LEFT] < 0.01 * traded.bound


EXTREME = [
    pair((1, 1), number=11, tokens=(WETH, USDC)),
    pair((1, 10**30), number=12, tokens=(WETH, USDC)),
    pair((10**30, 1), number=13, tokens=(WETH, token(5, "ZERO", 0))),
    pair((3, 2), number=14, tokens=(token(5, "ZERO", 0), USDC)),
    pair((5 * 10**33, 7), number=15, tokens=(token(6, "MANY", 36), token(5, "ZERO", 0))),
    pair((10**18, 10**33), number=16, tokens=(WETH, token(6, "MANY", 36))),
    pair((0, 0), number=17, tokens=(WETH, USDC)),
    pair((0, 10**18), number=18, tokens=(WETH, WBTC)),
    pair((2**112 - 1, 2**112 - 1), number=19, tokens=(WETH, USDC)),
]


def test_extreme_reserves_and_decimals_bring_no_phantom_profit() -> None:
    found = scanned(*EXTREME)
    state = {pool.venue: pool for pool in EXTREME}
    gained = 0
    for trade in found.capture.trades:
        amount = trade.amount_in
        for number, step in enumerate(trade.steps):
            if number == len(trade.walk.cycle):
                amount -= trade.amount_in
            assert step.amount_in == amount
            amount = state[step.venue].quote(step.token_in, amount, step.token_out)
            state[step.venue] = state[step.venue].swapped(step.token_in, step.amount_in, step.token_out)
        gained += amount - (0 if trade.walk.sale else trade.amount_in)
    assert gained == found.capture.gain <= found.bound
    assert {found.left_out[pool.venue] for pool in EXTREME[6:]} == {"no liquidity, or no room for any more"}


@pytest.mark.parametrize("pools", [(), tuple(crossed_pair()[:1]), (EXTREME[6],)])
def test_markets_without_a_cycle_have_nothing_to_gain(pools) -> None:
    found = scanned(*pools)
    assert (found.bound, found.capture.gain, found.share) == (0, 0, 1.0)


def test_parallel_pools_of_the_same_price_have_nothing_to_gain() -> None:
    pools = [pair((ETH * n, 2_000 * 10**6 * n), number=100 + n, tokens=(WETH, USDC)) for n in range(1, 300)]
    found = scanned(*pools)
    assert found.bound <= 1 and not found.capture.trades


def test_a_pool_known_only_in_its_active_range_is_traded_to_its_end_and_no_further() -> None:
    state = sqrt_price_at(-201_000) + 10**10, -201_000, 10**17
    ticks = Ticks.around(-201_000, 60)
    ranged = ConcentratedPool(at(30), (WETH, USDC), 3000, *state, ticks)
    found = scanned(*crossed_pair(), ranged)
    assert found.bound >= found.capture.gain >= 0.95 * found.bound


def test_the_numeraire_is_the_wrapped_coin_or_the_token_that_is_named() -> None:
    recorded = recorded_snapshot()
    assert numeraire_of(recorded, None).symbol == "WETH"
    assert numeraire_of(snapshot(*crossed_pair()), USDC.address) == USDC
    assert numeraire_of(snapshot(*crossed_pair()), "USDC") == USDC
    assert numeraire_of(Snapshot(()), None).symbol == "WETH"
    with pytest.raises(NoNumeraire, match="name one by its address"):
        numeraire_of(snapshot(*crossed_pair()), "DOGE")


def reasons(pools, *cycle, gas_price_wei=0):
    return why(
        {pool.venue: pool for pool in pools}, cycle, (WETH,), gas_price_wei, {"0xgone": "listed without a state"}
    )


def test_why_says_what_is_in_the_way_of_each_direction() -> None:
    first, second = crossed_pair()
    lone = pair((ETH, ETH), number=40, tokens=(USDC, WBTC))
    one, other = reasons([first, second], first.venue, second.venue.lower())
    assert {one.answer, other.answer} == {Answer.OPPORTUNITY, Answer.FEES}
    good = one if one.answer is Answer.OPPORTUNITY else other
    assert good.trade is not None and "gains" in good.detail
    dear = [reason.answer for reason in reasons([first, second], first.venue, second.venue, gas_price_wei=10**16)]
    assert Answer.GAS in dear and Answer.OPPORTUNITY not in dear
    (gone,) = reasons([first], first.venue, "0xgone")
    assert gone.answer is Answer.UNKNOWN_POOL and "listed without a state" in gone.detail
    assert reasons([first], first.venue, first.venue)[0].answer is Answer.POOL_TWICE
    assert reasons([first, lone], first.venue, lone.venue)[0].answer is Answer.NO_CYCLE
    away = pair((2 * ETH, ETH), number=41, tokens=(USDC, WBTC))
    assert {reason.answer for reason in reasons([lone, away], lone.venue, away.venue)} == {Answer.ELSEWHERE}
    tiny = [pair((3, 30), number=50, tokens=(WETH, USDC)), pair((2, 30), number=51, tokens=(WETH, USDC))]
    assert Answer.ROUNDING in {reason.answer for reason in reasons(tiny, tiny[0].venue, tiny[1].venue)}
    empty = pair((0, 0), number=52, tokens=(WETH, USDC))
    assert {reason.answer for reason in reasons([first, empty], first.venue, empty.venue)} == {Answer.NO_LIQUIDITY}


def test_a_share_is_a_number_even_where_nothing_can_be_gained() -> None:
    assert math.isfinite(scanned().share)


def test_coins_can_be_wrapped_where_a_file_does_not_say_so() -> None:
    weth, coin = MAINNET.wrapped, MAINNET.native
    usdc = MAINNET.token("USDC")
    pools = (
        pair((1_000 * ETH, 2_000_000 * 10**6), number=1, tokens=(weth, usdc)),
        pair((1_000 * ETH, 2_100_000 * 10**6), number=2, tokens=(coin, usdc)),
    )
    bare, whole = snapshot(*pools), with_wrappers(snapshot(*pools))
    assert scan(bare, Books(), weth, Terms()).bound == 0
    found = scan(whole, Books(), numeraire_of(whole, None), Terms())
    assert found.numeraire == weth and found.share > 0.999 and found.capture.gain > ETH // 5
    assert with_wrappers(whole) == whole
    assert with_wrappers(snapshot(pools[0])) == snapshot(pools[0])


def test_gains_are_in_coins_where_nothing_trades_their_wrapper() -> None:
    coin, usdc = MAINNET.native, MAINNET.token("USDC")
    only = snapshot(pair((1_000 * ETH, 2_000_000 * 10**6), number=1, tokens=(coin, usdc)))
    assert with_wrappers(only) == only and numeraire_of(only, None) == coin
