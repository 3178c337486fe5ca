"""Curve pools whose rates move: where these are asked, what a pool does until it has read them, and by whose rules."""

from dataclasses import replace

import pytest

from bot.exactness.curve import tripool
from chains.assets import Token
from chains.pools import stable_events
from chains.pools.curve_rates import RateAsking, RateSource
from chains.pools.curve_stable_loading import reading
from chains.pools.pool import HookedPool, MalformedState, PoolFacts, Refreshed, StaleState
from chains.pools.registry import loader
from chains.pools.stable_swap import RULES
from chains.pools.words import selector, word
from tests.chains.pools.samples import at, log

POOL, LP = at(70), at(71)
LENT, OTHER = Token("twin", at(72), "cDAI", 8), Token("twin", at(73), "USDT", 6)
UNIT = 10**18
HELD = (5 * 10**15, 10**12)
NAMES = {
    selector(f"{name}({kinds})"): name
    for name, kinds in (
        ("exchangeRateStored", ""),
        ("supplyRatePerBlock", ""),
        ("accrualBlockNumber", ""),
        ("exchangeRateCurrent", ""),
        ("getBlockNumber", ""),
        ("getCurrentBlockTimestamp", ""),
        ("totalSupply", ""),
        ("A", ""),
        ("fee", ""),
        ("admin_fee", ""),
        ("balances", "int128"),
        ("get_dy", "int128,int128,uint256"),
    )
}
FACTS = PoolFacts(
    "curve_stable",
    POOL,
    (LENT, OTHER),
    0,
    details={"rules": "lending", "rates": "compound", "lent": "10", "underlying": "18,6", "lp_token": LP},
)


class Contract:
    """An old lending pool, at block 110 and second 1,000; `quoting` answers its view."""

    def __init__(self, quoting=None, stored=2 * 10**26, current=2 * 10**26 + 5):
        self.quoting, self.stored, self.current, self.now = quoting, stored, current, 1_000

    def answer(self, call):
        name = NAMES.get(call.data[:4])
        if name == "balances":
            return word(HELD[int.from_bytes(call.data[4:], "big")])
        if name == "get_dy":
            index, other, amount = (int.from_bytes(call.data[start : start + 32], "big") for start in (4, 36, 68))
            return word(self.quoting.quote(FACTS.tokens[index], amount, FACTS.tokens[other])) if self.quoting else b""
        known = {
            "exchangeRateStored": self.stored,
            "supplyRatePerBlock": 10**9,
            "accrualBlockNumber": 100,
            "exchangeRateCurrent": self.current,
            "getBlockNumber": 110,
            "getCurrentBlockTimestamp": self.now,
            "totalSupply": 10**24,
            "A": 900,
            "fee": 4_000_000,
            "admin_fee": 0,
        }
        return word(known[name]) if name in known else b""

    def run(self, steps):
        calls = next(steps)
        while True:
            try:
                calls = steps.send(tuple(map(self.answer, calls)))
            except StopIteration as end:
                return end.value


def unprobed(contract):
    return contract.run(reading(FACTS))


def test_a_lending_pool_quotes_by_what_its_coins_stored_and_pays_by_what_they_accrue():
    pool = unprobed(Contract())
    earned = 2 * 10**26 + 2 * 10**26 * 10**9 * 10 // UNIT
    assert pool.viewed_by == (earned, 10**12 * UNIT)
    assert pool.rates == (2 * 10**26 + 5, 10**12 * UNIT)
    assert pool.variant == "lending compound"
    assert Contract(pool).run(loader("curve_stable")(FACTS)) == pool


def test_it_is_read_again_in_the_next_block_and_refuses_until_then():
    pool = unprobed(Contract()).at(1_012)
    assert isinstance(pool, Refreshed) and pool.needs_reading
    with pytest.raises(StaleState):
        pool.quote(LENT, 10**8)
    swap = log(POOL, [stable_events.EXCHANGE, b""], 0, 10**8, 1, 1)
    assert pool.applied(swap) is pool
    cheaper = pool.applied(log(POOL, [stable_events.PARAMETERS], 950, 3_000_000, 7))
    assert (cheaper.fee, cheaper.admin_fee, cheaper.amp) == (3_000_000, 7, 950)
    later = Contract(stored=21 * 10**25, current=22 * 10**25)
    later.now = 1_012
    read = later.run(cheaper.refreshing())
    assert not read.needs_reading and read.rates[0] == 22 * 10**25 and read.fee == 3_000_000
    assert read.quote(LENT, 10**8) > unprobed(Contract()).quote(LENT, 10**8)


def test_a_pool_loaded_by_another_generations_rules_is_refused_by_name():
    pool = unprobed(Contract())
    for wrong in (replace(pool, rules=RULES["factory"]), replace(pool, fee=3_999_999), None):
        with pytest.raises(HookedPool, match="does not quote as its generation does"):
            Contract(wrong).run(loader("curve_stable")(FACTS))


@pytest.mark.parametrize(
    "details",
    [{"rates": "hearsay"}, {"lent": "1"}, {"lent": "12"}, {"underlying": "18"}, {"underlying": "18,x"}],
)
def test_details_that_make_no_rates_are_refused(details):
    facts = replace(FACTS, details={**FACTS.details, **details})
    with pytest.raises(MalformedState):
        Contract().run(loader("curve_stable")(facts))


def test_answers_that_are_no_rates_are_refused():
    asking = RateAsking(RateSource.ANKR, (1, 1), (False, True), LP)
    with pytest.raises(MalformedState, match="a ratio of nothing"):
        asking.rates(POOL, [word(0)])
    with pytest.raises(MalformedState, match="answered 0 bytes"):
        replace(asking, source=RateSource.ORACLE).rates(POOL, [b""])
    with pytest.raises(MalformedState, match="cannot be"):
        RateAsking(RateSource.ANKR, (1,), (False, True), LP)
    assert asking.rates(POOL, [word(2 * UNIT)]).paid_by == (UNIT, UNIT // 2)
    assert not tripool().needs_reading
