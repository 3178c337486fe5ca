"""Forks of Uniswap V3: what differs from it. Their bytecode is among the proofs of exactness."""

from chains.pools import concentrated
from tests.chains.pools.samples import log, ranged


def test_pancake_v3_swaps_say_the_protocols_share_as_well():
    pool = ranged(2**96, [(-60, 60, 10**18)])
    topics = [concentrated.PANCAKE_SWAP, b"", b""]
    after = pool.applied(log(pool.address, topics, 1, -1, 2**96 + 5, 10**18, 0, 3, 0))
    assert after.sqrt_price_x96 == 2**96 + 5
