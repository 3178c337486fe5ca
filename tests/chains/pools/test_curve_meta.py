"""Meta pools whose rates move without an event: read again with each block, their base pools followed all the while."""

from dataclasses import astuple, replace

import pytest

from bot.exactness.curve import REDEMPTION_PRICE_SNAP, rai
from bot.market import Market
from chains.assets import Assets
from chains.blocks import Block, Head
from chains.pools import stable_events
from chains.pools.curve_meta import CurveMetaPool
from chains.pools.curve_rates import RateSource
from chains.pools.pool import MalformedState, PoolFacts, Refreshed, StaleState
from chains.pools.registry import FAMILIES, loader
from chains.pools.words import WORD, selector, word
from tests.chains.pools.samples import log

RAI = rai()
COIN, LP = RAI.tokens
BUYER = bytes(12) + b"\x05" * 20
AMPLIFICATION = {"initial_A": 0, "future_A": 1, "initial_A_time": 2, "future_A_time": 3}


class Contracts:
    """RAI's pool, 3pool and whom they ask, as `pool` has it; redemption price and time are told apart."""

    def __init__(self, pool: CurveMetaPool, redemption: int, now: int) -> None:
        self.pool, self.redemption, self.now = pool, redemption, now
        self.asked: list[str] = []

    def answer(self, call) -> bytes:
        name = next((name for name in self._names() if selector(name) == call.data[:4]), "")
        self.asked.append(name)
        if not name:
            return b""
        if name.startswith("get_dy"):
            index, other, amount = (int.from_bytes(call.data[start : start + WORD], "big") for start in (4, 36, 68))
            probed = self.pool if call.to == self.pool.address else self.pool.base
            return word(probed.quote(probed.tokens[index], amount, probed.tokens[other]))
        return self._told(call, name.partition("(")[0])

    def _names(self):
        for name in (*AMPLIFICATION, "fee", "admin_fee", "totalSupply", "getCurrentBlockTimestamp"):
            yield f"{name}()"
        yield from ("base_virtual_price()", "base_cache_updated()", "snappedRedemptionPrice()")
        yield from ("balances(uint256)", "get_dy(int128,int128,uint256)")

    def _told(self, call, name: str) -> bytes:
        own, cache = self.pool.own, self.pool.cache
        lp_token = own.asking.lp_token
        one = own if call.to in (own.address, lp_token) else self.pool.base
        course = one.amplification
        if name in AMPLIFICATION:
            return word(astuple(course)[AMPLIFICATION[name]])
        if name == "balances":
            return word(one.balances[int.from_bytes(call.data[4:], "big")])
        if name == "snappedRedemptionPrice":
            assert call.to == REDEMPTION_PRICE_SNAP
            return word(self.redemption)
        return word(
            {
                "fee": one.fee,
                "admin_fee": one.admin_fee,
                "totalSupply": one.lp_supply,
                "getCurrentBlockTimestamp": self.now,
                "base_virtual_price": cache.virtual_price,
                "base_cache_updated": cache.updated_s,
            }[name]
        )

    def run(self, steps):
        calls = next(steps)
        while True:
            try:
                calls = steps.send(tuple(map(self.answer, calls)))
            except StopIteration as end:
                return end.value


def test_it_is_loaded_with_whom_its_rate_is_asked_of_and_quotes_as_recorded() -> None:
    details = {
        "base_pool": RAI.base.address,
        "base_rules": "first",
        "lp_token": RAI.own.asking.lp_token,
        "redemption_price_snap": REDEMPTION_PRICE_SNAP,
    }
    facts = PoolFacts("curve_meta", RAI.address, (*RAI.tokens, *RAI.base.tokens), 0, details=details)
    pool = Contracts(RAI, RAI.own.rates[0] * 10**9 + 5, RAI.own.timestamp_s).run(loader("curve_meta")(facts))
    assert pool.own.asking.source is RateSource.REDEMPTION and pool.variant == RAI.variant
    assert pool.variant in FAMILIES["curve_meta"].variants
    assert pool.quote(COIN, 10**18, LP) == RAI.quote(COIN, 10**18, LP)
    assert pool.cache == RAI.cache


def test_it_refuses_in_the_next_block_until_it_is_read_again() -> None:
    later = RAI.at(RAI.own.timestamp_s + 12)
    assert isinstance(later, Refreshed) and later.needs_reading and not RAI.needs_reading
    with pytest.raises(StaleState, match="are of"):
        later.quote(COIN, 10**18, LP)
    assert later.pieces(COIN, LP) == () and later.marginal_price(COIN, LP) == 0.0
    dearer = Contracts(later, RAI.own.rates[0] * 11 * 10**8, later.own.timestamp_s)
    read = dearer.run(later.refreshing())
    assert not read.needs_reading and read.own.rates[0] == RAI.own.rates[0] * 11 // 10
    assert read.quote(COIN, 10**18, LP) > RAI.quote(COIN, 10**18, LP)
    assert "fee()" not in dearer.asked and dearer.asked.count("balances(uint256)") == 2


def test_what_moves_its_balances_meanwhile_is_left_to_the_reading_and_the_rest_is_followed() -> None:
    later = RAI.at(RAI.own.timestamp_s + 12)
    for moving in (
        log(RAI.address, [stable_events.EXCHANGE, BUYER], 0, 10**18, 1, 7),
        log(RAI.address, [stable_events.EXCHANGE_UNDERLYING, BUYER], 0, 10**18, 1, 7),
    ):
        assert later.applied(moving) is later
    fee = later.applied(log(RAI.address, [stable_events.NEW_FEE], 5_000_000, 0))
    assert (fee.own.fee, later.own.fee) == (5_000_000, RAI.own.fee) and fee.needs_reading
    base = RAI.base
    dai, usdc = base.tokens[:2]
    paid = base.paid(dai, 10**24, usdc)
    swap = log(base.address, [stable_events.EXCHANGE, BUYER], 0, 10**24, 1, paid)
    moved = later.applied(swap)
    assert moved.base == base.at(later.own.timestamp_s).swapped(dai, 10**24, usdc) and moved.needs_reading
    read = Contracts(moved, RAI.own.rates[0] * 10**9, later.own.timestamp_s).run(moved.refreshing())
    assert read.base == moved.base and read.before is None


def test_the_base_pools_virtual_price_counts_as_soon_as_the_cached_one_has_lapsed() -> None:
    """By the base pool's own events: a fee paid there is worth more LP."""
    base = RAI.base
    dai, usdc = base.tokens[:2]
    late = RAI.own.timestamp_s + 3_600
    stale = RAI.at(late)
    moved = replace(stale, base=stale.base.swapped(dai, 10**24, usdc))
    quotes = []
    for pool in (stale, moved):
        read = Contracts(pool, RAI.own.rates[0] * 10**9, late).run(pool.refreshing())
        assert read.cache == RAI.cache
        quotes.append(read.quote(COIN, 10**21, LP))
    assert quotes[1] < quotes[0] < RAI.quote(COIN, 10**21, LP)


def test_in_the_market_it_lapses_with_each_block_and_comes_back_when_it_is_read() -> None:
    market, now = Market(Assets({})), RAI.own.timestamp_s
    market.add_pool(RAI, 1)
    assert market.lapsed == ()
    market.apply(Block(Head(2, "0x2", "0x1", now + 12, 1, 1, 2), ()))
    (lapsed,) = market.lapsed
    market.renew_pool(Contracts(lapsed, RAI.own.rates[0] * 10**9, now + 12).run(lapsed.refreshing()))
    assert market.lapsed == () and market.pool(RAI.venue).quote(COIN, 10**18, LP) > 0


def test_a_redemption_price_needs_who_tells_it_and_no_other_rate_has_one() -> None:
    asking = RAI.own.asking
    for wrong in ({"told_by": None}, {"source": RateSource.ORACLE}):
        with pytest.raises(MalformedState, match="cannot be told by"):
            replace(asking, **wrong)
