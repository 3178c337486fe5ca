"""Every block is bounded by a process of its own, which knows what the market knows and never holds it up."""

import asyncio
import os

import numpy as np
import pytest

from bot.market.certificate.certifier import Certifier
from bot.market.certificate.messages import Update
from bot.market.certificate.worker import Certificates
from bot.market.dual.capture import Cause, Terms
from bot.market.rows import Moved
from bot.run.certifying import Optimum
from tests.bot.market.samples import USDC, WETH, block, book, market, sync, v2

WEI = 10**18
CHEAP = v2(1, USDC, WETH, (1_900_000 * 10**6, 1_000 * WEI))
DEAR = v2(2, USDC, WETH, (2_000_000 * 10**6, 1_000 * WEI))

NOTHING_MOVED = Moved((), np.zeros((0, 7), np.uint64))


def told(number, venues, gone=(), **terms):
    return Update(number, WETH, tuple(venues), NOTHING_MOVED, (), tuple(gone), Terms(**terms))


def test_a_block_is_bounded_and_the_difference_explained_to_the_last_unit():
    certified = Certificates().certified(told(1, [CHEAP, DEAR], gas_price_wei=10**10), explain=True)
    best = next(market(CHEAP, DEAR).cycles()).gain
    assert best * 0.999 < certified.within_reach <= certified.bound < best * 1.001
    assert sum(certified.missed.values()) == certified.bound - certified.within_reach
    assert certified.missed[Cause.HOPS] == certified.missed[Cause.REFUSED] == 0


def test_gas_that_is_dearer_than_all_gains_explains_them():
    certified = Certificates().certified(told(1, [CHEAP, DEAR], gas_price_wei=10**15), explain=True)
    assert certified.within_reach == 0 and certified.missed[Cause.GAS] > 0.99 * certified.bound


def test_only_what_changed_needs_to_be_told():
    certificates = Certificates()
    first = certificates.certified(told(1, [CHEAP, DEAR]), explain=False)
    assert first.missed is None
    assert certificates.certified(told(2, []), explain=False).bound == pytest.approx(first.bound, rel=1e-6)
    assert certificates.certified(told(3, [], gone=[DEAR.venue]), explain=True).bound == 0
    assert certificates.certified(told(4, [DEAR]), explain=False).bound == pytest.approx(first.bound, rel=1e-6)


@pytest.mark.parametrize("price", [0.0, 1e-250, 1e250, np.inf])
def test_a_price_that_ran_away_is_found_anew(price):
    certificates = Certificates()
    bound = certificates.certified(told(1, [CHEAP, DEAR]), explain=False).bound
    certificates._prices[USDC] = price
    assert certificates.certified(told(2, []), explain=False).bound == pytest.approx(bound, rel=1e-6)


def test_an_empty_market_is_bounded_by_nothing():
    certified = Certificates().certified(told(1, []), explain=True)
    assert (certified.bound, certified.within_reach) == (0, 0)


async def test_blocks_are_certified_in_order_beside_whatever_else_goes_on():
    made, heard = market(CHEAP, DEAR, book([("2100", "50")], [("2101", "50")])), []
    certifier = Certifier(made, WETH, heard.append)
    await certifier.start()
    certifier.on_block(1, Terms())
    made.apply(block(2, sync(DEAR, CHEAP.reserves)))
    made.close_book("binance", "ETH/USDT")
    certifier.on_block(2, Terms())
    await certifier.finished(60.0)
    await certifier.close()
    assert [certified.number for certified in heard] == [1, 2]
    assert heard[0].bound > heard[1].bound == 0


async def test_what_is_not_taken_in_time_is_told_with_a_later_block():
    made = market(CHEAP, DEAR)
    certifier = Certifier(made, WETH, lambda certified: None)
    for number in range(1, 5):
        certifier.on_block(number, Terms())
    assert certifier.told == 0
    await certifier.close()


async def test_a_process_that_dies_ends_nothing_but_the_certificates_and_that_is_told_once():
    made, heard, ended = market(CHEAP, DEAR), [], asyncio.Queue()
    certifier = Certifier(made, WETH, heard.append, lambda: ended.put_nowait("ended"))
    await certifier.start()
    waiting = asyncio.create_task(certifier.proposed(1, 600.0))
    os.kill(certifier._process.pid, 9)
    assert await ended.get() == "ended"
    assert await waiting == () == await certifier.proposed(2, 600.0)
    for number in range(200):
        certifier.on_block(number, Terms())
        await asyncio.sleep(0)
    await certifier.finished(600.0)
    await certifier.close()
    assert heard == [] and ended.empty()


async def test_a_process_that_is_ended_is_not_told_as_one_that_died():
    ended: list[str] = []
    certifier = Certifier(market(CHEAP, DEAR), WETH, lambda certified: None, lambda: ended.append("ended"))
    await certifier.start()
    await certifier.close()
    assert ended == []


def test_the_walks_of_the_optimum_close_are_short_enough_and_pass_no_book_nor_what_is_avoided():
    rich = market(CHEAP, DEAR, book([("2600", "50")], [("2601", "50")]))
    tied = rich.tied("binance:ETH/USDT")
    certificates, update = Certificates(), told(1, [CHEAP, DEAR, tied], most_hops=2)
    walks = certificates.proposed(update, certificates.solved(update)).walks
    assert all(way.venue in (CHEAP.venue, DEAR.venue) for walk in walks for way in walk.ways)
    (walk,) = Certificates().proposed(update := told(1, [CHEAP, DEAR]), Certificates().solved(update)).walks
    assert walk.ways[0].token_in == walk.ways[-1].token_out == WETH
    best = next(market(CHEAP, DEAR).cycles())
    assert walk.amount_in == pytest.approx(best.amount_in, rel=1e-6)
    avoiding = told(1, [CHEAP, DEAR], avoided={DEAR.venue: "it is"})
    assert Certificates().proposed(avoiding, Certificates().solved(avoiding)).walks == ()


async def test_walks_are_had_within_the_time_there_is_and_none_after_it():
    made = market(CHEAP, DEAR)
    optimum = Optimum(60.0)
    assert await optimum.walks(1, 0) == ()
    certifier = Certifier(made, WETH, lambda certified: None)
    await certifier.start()
    optimum.attach(certifier, lambda number, gas_price_wei: Terms(gas_price_wei))
    (walk,) = await optimum.walks(1, 10**9)
    assert {way.venue for way in walk.ways} == {CHEAP.venue, DEAR.venue} and optimum.asked == 1
    assert await certifier.proposed(2, 0.001) == ()
    await certifier.close()
