"""An executor that answers to strangers is told from one of this network."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from bot.execution.agreement import strange_venues
from bot.execution.deployment import NO_VENUES, Deployment, ExecutorSettings, Venues
from chains.assets import Address
from chains.networks import load_network
from tests.chains.pools.samples import at

ETHEREUM = load_network("ethereum")
VENUES = Venues.of(ETHEREUM)


def made_with(venues: Venues) -> Deployment:
    settings = ExecutorSettings(at(1), at(2), at(3), (at(4),), venues=venues)
    return Deployment(at(5), at(6), 1, "0x", settings)


@pytest.mark.parametrize("venues", [VENUES, NO_VENUES, replace(NO_VENUES, pool_manager=VENUES.pool_manager)])
def test_the_networks_own_singletons_or_fewer_are_in_order(venues: Venues) -> None:
    assert strange_venues(made_with(venues), ETHEREUM) == []


def test_every_strange_singleton_is_named() -> None:
    strangers = Venues(*(Address(at(10 + place)) for place in range(len(astuple(VENUES)))))
    lines = strange_venues(made_with(strangers), ETHEREUM)
    assert len(lines) == len(astuple(VENUES))
    assert f"pool_manager of executor {at(5)} is {at(11)}, and ethereum's is {VENUES.pool_manager}" in lines[1]
