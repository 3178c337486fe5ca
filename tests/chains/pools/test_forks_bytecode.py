"""Forks of Uniswap V3 against their own bytecode."""

from bot.exactness import pancake_v3
from chains.pools import concentrated
from tests.chains.pools.samples import log, ranged


def test_pancake_v3_pools_pay_the_quotes_and_end_where_they_were_predicted():
    cases = list(pancake_v3.on_anvil())
    assert [case for case in cases if not case.matches] == []
    assert len(cases) > 700 and sum("the state after" in case.name for case in cases) > 40


def test_pancake_v3_swaps_say_the_protocols_share_as_well():
    pool = ranged(2**96, [(-60, 60, 10**18)])
    topics = [concentrated.PANCAKE_SWAP, b"", b""]
    after = pool.applied(log(pool.address, topics, 1, -1, 2**96 + 5, 10**18, 0, 3, 0))
    assert after.sqrt_price_x96 == 2**96 + 5
