"""An executor that answers to strangers, or not to our keys, is told from one of this network and run."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from bot.execution.agreement import differences, not_ours, strange_venues
from bot.execution.deployment import Deployment
from bot.execution.settings import NO_VENUES, Bound, ExecutorSettings, InventoryCap, Venues
from chains.assets import Address, Token
from chains.networks import load_network
from tests.chains.pools.samples import at

ETHEREUM = load_network("ethereum")
VENUES = Venues.of(ETHEREUM)


def made_with(venues: Venues) -> Deployment:
    settings = ExecutorSettings(at(1), (at(2),), at(3), (at(4),), venues=venues)
    return Deployment(at(5), at(6), 1, "0x", settings)


@pytest.mark.parametrize("venues", [VENUES, NO_VENUES, replace(NO_VENUES, pool_manager=VENUES.pool_manager)])
def test_the_networks_own_singletons_or_fewer_are_in_order(venues: Venues) -> None:
    assert strange_venues(made_with(venues), ETHEREUM) == []


def test_every_strange_singleton_is_named() -> None:
    strangers = Venues(*(Address(at(10 + place)) for place in range(len(astuple(VENUES)))))
    lines = strange_venues(made_with(strangers), ETHEREUM)
    assert len(lines) == len(astuple(VENUES))
    assert f"pool_manager of executor {at(5)} is {at(11)}, and ethereum's is {VENUES.pool_manager}" in lines[1]


def test_another_price_bound_than_the_run_files_is_told() -> None:
    lent, bound = (InventoryCap(at(7), 1), InventoryCap(at(8), 2, at(9))), Bound(600, 20_000)
    made = made_with(VENUES)
    made = replace(made, settings=replace(made.settings, inventory=lent, bound=bound))
    caps = {Token("ethereum", at(7), "A", 18): 1, Token("ethereum", at(8), "B", 18): 2}
    assert differences(made, (at(4),), caps, bound) == differences(made, (at(4),), caps, bound, (at(9),)) == []
    (slippage,) = differences(made, (at(4),), caps, Bound(600, 30_000))
    assert "20000 ppm below a mean of 600 s on chain" in slippage and "executor.allowed_slippage_ppm" in slippage
    (pools,) = differences(made, (at(4),), caps, bound, (at(10),))
    assert pools == f"reference pools on chain are {at(9)}; correct executor.reference_pools"


def test_each_key_that_the_executor_takes_no_orders_from_is_named() -> None:
    made = made_with(VENUES)
    known = replace(made, settings=replace(made.settings, operators=(at(2), at(7))))
    assert not_ours(known, (at(7), at(2))) == []
    first, second = not_ours(known, (at(8), at(2), at(9)))
    assert f"takes orders from {at(2)}, {at(7)}, and [signer] names the key of {at(8)}" in first and at(9) in second
