"""Loading Curve meta pools, and the pools beneath them, from a chain. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from dataclasses import replace

from chains.assets import address
from chains.pools.curve_meta import CurveMetaPool, cache_calls, cache_told
from chains.pools.curve_probe import probed
from chains.pools.curve_rates import RateSource
from chains.pools.curve_stable import CurveStablePool
from chains.pools.curve_stable_loading import GET_DY, reading
from chains.pools.curve_stable_loading import loading as stable_loading
from chains.pools.pool import Loading, MalformedState, PoolFacts


def loading(facts: PoolFacts) -> Loading:
    """Loads a meta pool and its base pool. `facts.tokens` are its two, and after them the base pool's coins.

    `details` say `base_pool`, its address; and may say `base_rules` (default `template`), `redemption_price_snap`,
    the contract that tells the coin's rate; and what they say of any StableSwap pool.
    """
    if len(facts.tokens) < 4 or "base_pool" not in facts.details:
        raise MalformedState(f"meta pool {facts.address} needs its base pool, and that pool's coins after its own two")
    snap = facts.details.get("redemption_price_snap")
    asked = {} if snap is None else {"rates": RateSource.REDEMPTION, "lent": "10", "told_by": snap}
    own_facts = replace(facts, tokens=facts.tokens[:2], details={**facts.details, **asked})
    base_details = {"rules": facts.details.get("base_rules", "template"), "lp_token": facts.tokens[1].address}
    base_at = address(str(facts.details["base_pool"]))
    own = yield from reading(own_facts)
    base = yield from stable_loading(PoolFacts("curve_stable", base_at, facts.tokens[2:], 0, details=base_details))
    assert isinstance(base, CurveStablePool)
    told = yield cache_calls(facts.address)
    cache = cache_told(told, deposits_store=snap is None)
    pool = CurveMetaPool(own, base, cache)
    return (yield from probed(pool, own.balances, GET_DY))
