"""Creation events are read as their factories write them, and nothing that only looks like one is."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import Address
from chains.blocks import Log
from chains.discovery import layouts
from chains.discovery.found import MalformedCreation, Origin
from chains.discovery.layouts import LAYOUTS, announced
from chains.discovery.origins import origins_of
from chains.networks import load_network, network_names
from chains.pools.words import word
from tests.chains.pools.samples import at

FACTORY, POOL, ONE, OTHER = at(0xFAC), at(0x900), at(0x11), at(0x12)


def origin(layout: str, family: str = "some", fee_ppm: int = 0) -> Origin:
    return Origin("proto", layout, family, FACTORY, fee_ppm)


def event(*topics: bytes, data: bytes = b"", emitter: Address = FACTORY) -> Log:
    return Log(emitter, topics, data, 7, "0x" + "0b" * 32, "0x" + "0a" * 32, 0, 3)


def of(account: Address) -> bytes:
    return word(int(account, 16))


PAIR = (of(ONE), of(OTHER))
EVENTS = {
    "uniswap_v2": event(layouts.V2_PAIR_CREATED, *PAIR, data=of(POOL) + word(1)),
    "uniswap_v3": event(layouts.V3_POOL_CREATED, *PAIR, word(3000), data=word(60) + of(POOL)),
    "solidly": event(layouts.SOLIDLY_POOL_CREATED, *PAIR, word(1), data=of(POOL) + word(9)),
    "camelot": event(layouts.SOLIDLY_PAIR_CREATED, *PAIR, data=word(0) + of(POOL) + word(9)),
    "slipstream": event(layouts.SLIPSTREAM_POOL_CREATED, *PAIR, word(200), data=of(POOL)),
    "algebra": event(layouts.ALGEBRA_POOL, *PAIR, data=of(POOL)),
}


@pytest.mark.parametrize("layout", EVENTS)
def test_a_factorys_event_tells_pool_and_tokens(layout: str) -> None:
    found = announced(origin(layout, "family"), EVENTS[layout])
    assert found is not None
    assert (found.address, found.tokens, found.block_number) == (POOL, (ONE, OTHER), 7)
    assert (found.protocol, found.family, found.venue) == ("proto", "family", POOL)


def test_the_fee_is_the_events_or_the_factorys() -> None:
    v2, v3 = (announced(origin(name, fee_ppm=2500), EVENTS[name]) for name in ("uniswap_v2", "uniswap_v3"))
    assert v2 is not None and v3 is not None
    assert (v2.fee_ppm, v3.fee_ppm) == (2500, 3000)


def test_algebras_custom_pools_name_their_deployer_first() -> None:
    found = announced(origin("algebra"), event(layouts.ALGEBRA_CUSTOM_POOL, of(at(5)), *PAIR, data=of(POOL)))
    assert found is not None and found.tokens == (ONE, OTHER)


def test_a_v4_pool_is_its_key_under_the_managers_address() -> None:
    data = encode(["uint24", "int24", "address", "uint160", "int24"], [500, 10, at(0), 2**96, 0])
    found = announced(origin("uniswap_v4"), event(layouts.V4_INITIALIZE, b"\7" * 32, *PAIR, data=data))
    assert found is not None
    assert (found.address, found.venue, found.fee_ppm) == (FACTORY, "0x" + "07" * 32, 500)
    assert found.details == {"tick_spacing": 10, "hooks": at(0)}


def test_both_of_balancers_v2_events_name_the_same_pool() -> None:
    pool_id = of(POOL)[12:] + bytes(12)
    registered = event(layouts.BALANCER_V2_POOL_REGISTERED, pool_id, of(POOL), data=word(1))
    tokens = event(layouts.BALANCER_V2_TOKENS_REGISTERED, pool_id, data=encode(["address[]", "address[]"], [[], []]))
    one, other = (announced(origin("balancer_v2"), log) for log in (registered, tokens))
    assert one == other
    assert one is not None and one.venue == POOL


def test_balancers_v3_registration_lists_its_tokens() -> None:
    configured = [(ONE, 0, at(0), False), (OTHER, 1, at(9), True)]
    data = encode(["(address,uint8,address,bool)[]", "uint256", "uint32"], [configured, 1, 1])
    found = announced(origin("balancer_v3"), event(layouts.BALANCER_V3_POOL_REGISTERED, of(POOL), of(at(8)), data=data))
    assert found is not None and found.tokens == (ONE, OTHER)


def test_the_topics_are_those_seen_on_chains() -> None:
    """The first bytes, as block explorers show them for the protocols' own factories."""
    seen = {
        layouts.V2_PAIR_CREATED: "0d3648bd",
        layouts.V3_POOL_CREATED: "783cca1c",
        layouts.V4_INITIALIZE: "dd466e67",
        layouts.SOLIDLY_POOL_CREATED: "2128d88d",
        layouts.SLIPSTREAM_POOL_CREATED: "ab0d57f0",
        layouts.ALGEBRA_POOL: "91ccaa7a",
        layouts.BALANCER_V2_POOL_REGISTERED: "3c13bc30",
        layouts.BALANCER_V2_TOKENS_REGISTERED: "f5847d3f",
        layouts.BALANCER_V3_POOL_REGISTERED: "bc1561ee",
    }
    assert {topic.hex()[:8] for topic in seen} == set(seen.values())


def test_equal_tokens_are_refused() -> None:
    log = event(layouts.V2_PAIR_CREATED, of(ONE), of(ONE), data=of(POOL) + word(1))
    with pytest.raises(MalformedCreation, match="on both sides"):
        announced(origin("uniswap_v2"), log)


def test_another_contracts_event_announces_nothing() -> None:
    log = event(layouts.V2_PAIR_CREATED, *PAIR, data=of(POOL) + word(1), emitter=at(0xBAD))
    assert announced(origin("uniswap_v2"), log) is None


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    topics=st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    data=st.binary(max_size=300),
)
def test_no_log_does_more_than_be_refused(layout: str, topics: list[bytes], data: bytes) -> None:
    for first in LAYOUTS[layout].topics:
        try:
            found = announced(origin(layout), event(first, *topics, data=data))
        except MalformedCreation:
            continue
        assert found is not None and len(set(found.tokens)) == len(found.tokens)


def test_every_factory_of_every_network_is_an_origin() -> None:
    for name in network_names():
        network = load_network(name)
        origins = origins_of(network)
        assert {one.address for one in origins} >= {factory.address for factory in network.factories.values()}
        assert all(one.layout in LAYOUTS for one in origins)
