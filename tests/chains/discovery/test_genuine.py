"""A pool is believed when it says the same as its creation; what does not fit is named."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from chains.assets import ZERO_ADDRESS, Address, Token
from chains.discovery.found import Found, NotGenuine, Origin
from chains.discovery.genuine import genuine
from chains.pools.uniswap_v4_key import PoolKey
from chains.pools.words import word
from tests.chains.discovery.asked import Answers, asked
from tests.chains.pools.samples import at

FACTORY, POOL, ONE, OTHER = at(0xFAC), at(0x900), at(0x11), at(0x12)


def of(account: Address) -> bytes:
    return word(int(account, 16))


def found(family: str = "concentrated", **changes) -> Found:
    told = {"address": POOL, "tokens": (ONE, OTHER), "fee_ppm": 3000, "block_number": 7} | changes
    return Found("proto", family, **told)


V3 = Origin("proto", "uniswap_v3", "concentrated", FACTORY)
HONEST: Answers = {
    (POOL, "factory()"): of(FACTORY),
    (POOL, "token0()"): of(ONE),
    (POOL, "token1()"): of(OTHER),
    (POOL, "fee()"): word(3000),
}


def test_a_pool_that_points_back_is_taken_as_announced() -> None:
    assert asked(genuine(found(), V3), HONEST) == found()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({}, "there is no pool"),
        (HONEST | {(POOL, "factory()"): of(at(0xBAD))}, "says its factory is"),
        (HONEST | {(POOL, "factory()"): b"\xff" * 32}, "says its factory is None"),
        (HONEST | {(POOL, "token1()"): of(at(0xBAD))}, "not the tokens it was made for"),
        (HONEST | {(POOL, "fee()"): word(500)}, "another fee"),
    ],
)
def test_one_that_says_otherwise_is_refused_by_name(answers: Answers, told: str) -> None:
    with pytest.raises(NotGenuine, match=told) as refused:
        asked(genuine(found(), V3), answers)
    assert POOL in str(refused.value)


class TestKeys:
    MANAGER = Origin("uniswap_v4", "uniswap_v4", "uniswap_v4", FACTORY)

    def _found(self, hooks: Address = ZERO_ADDRESS, **changes) -> Found:
        key = PoolKey((Token("", ONE, "", 0), Token("", OTHER, "", 0)), 3000, 60, hooks)
        told = {"address": FACTORY, "pool_id": key.pool_id, "details": {"tick_spacing": 60, "hooks": hooks}} | changes
        return found("uniswap_v4", **told)

    def test_a_key_that_hashes_to_the_id_is_enough(self) -> None:
        assert asked(genuine(self._found(), self.MANAGER), {}) == self._found()

    def test_another_id_is_refused(self) -> None:
        with pytest.raises(NotGenuine, match="a key whose id is"):
            asked(genuine(self._found(pool_id=b"\1" * 32), self.MANAGER), {})

    def test_hooks_that_may_change_swaps_are_refused(self) -> None:
        with pytest.raises(NotGenuine, match="may change its swaps"):
            asked(genuine(self._found(hooks=at(1 << 7)), self.MANAGER), {})

    def test_an_impossible_key_is_refused(self) -> None:
        with pytest.raises(NotGenuine, match="not in the order"):
            asked(genuine(self._found(tokens=(OTHER, ONE)), self.MANAGER), {})


class TestVaults:
    ID = of(POOL)[12:] + bytes(12)
    VAULT = Origin("balancer_v2", "balancer_v2", "", FACTORY)
    TOKENS = encode(["address[]", "uint256[]", "uint256"], [[ONE, OTHER, at(0x13)], [1, 2, 3], 5])

    def _asked(self, answers: Answers) -> Found:
        announced = found("", tokens=(), fee_ppm=0, details={"pool_id": "0x" + self.ID.hex()})
        known = {(POOL, "getPoolId()"): self.ID, (POOL, "getVault()"): of(FACTORY)}
        return asked(
            genuine(announced, self.VAULT), known | {(FACTORY, "getPoolTokens(bytes32)"): self.TOKENS} | answers
        )

    @pytest.mark.parametrize(
        ("question", "family"),
        [("getNormalizedWeights()", "balancer_v2_weighted"), ("getAmplificationParameter()", "balancer_v2_stable")],
    )
    def test_a_pool_is_asked_for_its_family_and_its_vault_for_the_tokens(self, question: str, family: str) -> None:
        taken = self._asked({(POOL, question): word(1)})
        assert (taken.family, taken.tokens, taken.venue) == (family, (ONE, OTHER, at(0x13)), POOL)

    def test_what_is_neither_is_refused(self) -> None:
        with pytest.raises(NotGenuine, match="neither a weighted nor a stable pool"):
            self._asked({})

    def test_weights_that_move_are_refused(self) -> None:
        moving = {(POOL, "getNormalizedWeights()"): word(1), (POOL, "getGradualWeightUpdateParams()"): word(1)}
        with pytest.raises(NotGenuine, match="move by themselves"):
            self._asked(moving)

    def test_a_pool_that_does_not_know_the_vault_is_refused(self) -> None:
        with pytest.raises(NotGenuine, match="does not know"):
            self._asked({(POOL, "getVault()"): of(at(0xBAD))})

    def test_a_v3_pool_is_asked_the_same_way(self) -> None:
        vault = Origin("balancer_v3", "balancer_v3", "", FACTORY)
        answers = {
            (POOL, "getVault()"): of(FACTORY),
            (POOL, "getNormalizedWeights()"): word(1),
            (FACTORY, "getPoolTokens(address)"): encode(["address[]"], [[ONE, OTHER]]),
        }
        taken = asked(genuine(found("", tokens=()), vault), answers)
        assert (taken.family, taken.tokens) == ("balancer_v3_weighted", (ONE, OTHER))
