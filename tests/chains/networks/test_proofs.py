"""A factory is called proven exactly where pools that others recorded are derived from its facts."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from chains.networks import NoDerivation, load_network, network_names

RECORDED = json.loads((Path(__file__).parents[2] / "data" / "factory_pools.json").read_bytes())
SHIPPED = [name for name in network_names() if name != "twin"]


def test_every_recorded_pool_is_where_its_factorys_facts_put_it():
    derived = {
        row["pool"]: load_network(row["network"]).factory(row["protocol"]).pool(*row["tokens"], row["kind"])
        for row in RECORDED
    }
    assert derived == {pool: pool for pool in derived}


def test_proven_are_exactly_the_factories_whose_recorded_pools_are_derived():
    recorded = defaultdict(set)
    for row in RECORDED:
        recorded[row["network"]].add(row["protocol"])
    for name in SHIPPED:
        proven = {protocol for protocol, factory in load_network(name).factories.items() if factory.proven}
        assert proven == recorded[name], name


def test_another_deployer_or_hash_puts_the_pool_elsewhere():
    from dataclasses import replace

    factory = load_network("base").factory("pancake_v3")
    row = next(row for row in RECORDED if (row["network"], row["protocol"]) == ("base", "pancake_v3"))
    assert factory.pool(*row["tokens"], row["kind"]) == row["pool"]
    assert replace(factory, creator=None).pool(*row["tokens"], row["kind"]) != row["pool"]
    assert replace(factory, init_code_hash=bytes(32)).pool(*row["tokens"], row["kind"]) != row["pool"]
    with pytest.raises(NoDerivation, match="pancake_v3"):
        replace(factory, init_code_hash=b"").pool(*row["tokens"], row["kind"])


def test_a_factory_says_which_events_announce_its_pools():
    for name in SHIPPED:
        for factory in load_network(name).factories.values():
            assert all(event.count("address") >= 3 for event in factory.family.creation_events)
