"""Registries list pools; only those whose arithmetic is known from where they are listed are taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from chains.assets import Address
from chains.discovery.found import NotGenuine
from chains.discovery.registries import ADDRESS_PROVIDER, Registry, listed, registries_of, vault
from chains.networks import load_network
from chains.pools.words import word
from tests.chains.discovery.asked import Answers, asked
from tests.chains.pools.samples import at

PROVIDER, FACTORY, POOL, ONE, OTHER = at(0xADD), at(0xFAC), at(0x900), at(0x11), at(0x12)
NETWORK = replace(load_network("ethereum"), contracts={ADDRESS_PROVIDER: PROVIDER})


def of(account: Address) -> bytes:
    return word(int(account, 16))


def test_the_address_provider_names_the_registries() -> None:
    registries = asked(registries_of(NETWORK), {(PROVIDER, "get_address(uint256)"): of(FACTORY)})
    assert {registry.kind for registry in registries} == {"stable_ng", "crypto_two", "any"}
    assert {registry.address for registry in registries} == {FACTORY}


def test_a_network_without_one_has_no_registries() -> None:
    assert asked(registries_of(replace(NETWORK, contracts={})), {}) == ()


def test_what_is_no_address_provider_is_refused() -> None:
    with pytest.raises(NotGenuine, match="does not answer"):
        asked(registries_of(NETWORK), {})


ONE_POOL: Answers = {(FACTORY, "pool_count()"): word(1), (FACTORY, "pool_list(uint256)"): of(POOL)}
DYNAMIC = encode(["address[]"], [[ONE, OTHER]])
FIXED = of(ONE) + of(OTHER) + bytes(32 * 6)


def test_a_new_generation_pool_of_plain_tokens_is_taken() -> None:
    answers = ONE_POOL | {
        (FACTORY, "get_coins(address)"): DYNAMIC,
        (FACTORY, "get_pool_asset_types(address)"): encode(["uint8[]"], [[0, 0]]),
    }
    found = asked(listed(Registry("stable_ng", FACTORY), 0), answers)
    assert found.count == 1 and not found.refused
    assert found.found[0].tokens == (ONE, OTHER)
    assert found.found[0].details == {"rules": "factory"}


def test_rates_that_an_oracle_tells_are_said_to_move_and_rebasing_tokens_are_refused() -> None:
    def kinds(*numbers: int) -> Answers:
        return ONE_POOL | {
            (FACTORY, "get_coins(address)"): DYNAMIC,
            (FACTORY, "get_pool_asset_types(address)"): encode(["uint8[]"], [list(numbers)]),
        }

    registry = Registry("stable_ng", FACTORY)
    assert asked(listed(registry, 0), kinds(0, 1)).found[0].details["rates"] == "oracle"
    assert "change by themselves" in asked(listed(registry, 0), kinds(0, 2)).refused[POOL]


def test_a_crypto_pools_share_token_is_remembered() -> None:
    answers = ONE_POOL | {(FACTORY, "get_coins(address)"): FIXED, (FACTORY, "get_token(address)"): of(at(0x77))}
    found = asked(listed(Registry("crypto_two", FACTORY), 0), answers).found[0]
    assert (found.tokens, found.details) == ((ONE, OTHER), {"rules": "two", "lp_token": at(0x77)})


def test_meta_pools_and_unknown_generations_are_refused_by_name() -> None:
    meta = ONE_POOL | {(FACTORY, "is_meta(address)"): word(1)}
    assert "meta pool" in asked(listed(Registry("stable_ng", FACTORY), 0), meta).refused[POOL]
    assert "arithmetic is not known" in asked(listed(Registry("any", FACTORY), 0), ONE_POOL).refused[POOL]


def test_only_what_was_not_read_before_is_asked_for() -> None:
    assert asked(listed(Registry("any", FACTORY), 1), ONE_POOL).refused == {}


def test_what_is_no_registry_is_refused() -> None:
    with pytest.raises(NotGenuine, match="does not list pools"):
        asked(listed(Registry("any", FACTORY), 0), {})


def test_a_vault_is_a_pool_of_its_asset_and_its_shares() -> None:
    assert asked(vault(POOL), {(POOL, "asset()"): of(ONE)}).tokens == (ONE, POOL)
    lent = asked(vault(POOL), {(POOL, "UNDERLYING_ASSET_ADDRESS()"): of(ONE)})
    assert (lent.family, lent.tokens) == ("aave_v3", (ONE, POOL))
    for wrong in (b"", of(POOL), of(at(0))):
        with pytest.raises(NotGenuine, match="neither an ERC-4626 vault nor an aToken"):
            asked(vault(POOL), {(POOL, "asset()"): wrong})
