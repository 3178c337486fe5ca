"""A pool whose code changed is refused by name, whatever its family."""

from dataclasses import replace

import pytest

from bot.market import Market
from chains.assets import Assets
from chains.blocks import Block, Head
from chains.pools import registry
from chains.pools.pool import UnknownToken
from chains.pools.upgrades import BEACON_UPGRADED, TOPICS, UPGRADED, CodeChanged, followed
from tests.chains.pools import test_balancer_v3_buffer as buffers
from tests.chains.pools.samples import A, at, log, pair
from tests.chains.pools.test_erc4626 import VAULT, vault

OTHER = bytes(31) + b"\x07"


@pytest.mark.parametrize("topic", [UPGRADED, BEACON_UPGRADED])
def test_a_pool_a_vault_and_a_buffers_wrapper_are_void_once_their_code_changed(topic):
    buffer = buffers.buffer()
    for pool, emitter in ((pair((5, 7)), at(100)), (vault(), VAULT), (buffer, VAULT), (buffer, buffer.vault)):
        with pytest.raises(CodeChanged, match="has other code since block 1"):
            followed(pool, log(emitter, [topic, OTHER]))
        assert followed(pool, log(at(9999), [topic, OTHER])) is pool


def test_the_topics_are_listened_to_and_such_a_pool_leaves_the_market():
    assert TOPICS <= registry.TOPICS
    market = Market(Assets({}))
    pool = pair((10**18, 10**18))
    market.add_pool(pool, 0)
    told = replace(log(pool.address, [UPGRADED, OTHER]), block_number=1)
    market.apply(Block(Head(1, "0x1", "0x0", 1, 1, 1, 2), (told,)))
    assert pool.venue not in market.pools and "has other code" in market.refused[pool.venue]
    with pytest.raises(UnknownToken):
        pool.quote(at(5), 1)
    assert pool.quote(A, 10**6) > 0
