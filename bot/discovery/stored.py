"""What a pool store holds, as a snapshot: the states it saved, and of every other pool why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.config.pools import PoolSettings
from bot.discovery.filters import Filters
from bot.discovery.opening import unpack_all
from bot.discovery.store import KnownPool, PoolStore
from bot.exactness import PROOFS, Proof
from chains.discovery.registries import NAMED
from chains.networks import Network
from chains.pools.registry import FAMILIES, Family
from chains.snapshot import LeftOut, Recorded, Snapshot
from chains.snapshot.codec import reference

_ETH = 10**18


def stored(
    url: str,
    network: Network,
    settings: PoolSettings,
    families: Mapping[str, Family] = FAMILIES,
    proofs: Iterable[Proof] = PROOFS,
) -> Snapshot:
    """The pools of the store at `url`, as of the block they were saved at. Asks no node, and changes nothing.

    Raises `StoreFailed`, also where there is no store, or one of another chain.
    """
    store = PoolStore.view(url, network.name, network.chain_id)
    try:
        tokens = store.tokens_on(network)
        known = {pool.facts.venue: pool for pool in store.pools(tokens)}
        at, states = store.states()
        refused = store.refusals()
    finally:
        store.close()
    facts = {venue: pool.facts for venue, pool in known.items()}
    pools = dict(unpack_all(facts, states, {reference(token): token for token in tokens.values()}, families))
    block = at.number if at is not None else 0
    # Which vaults are named stands in a run file, not in the store.
    vaults = tuple(pool.facts.address for pool in known.values() if pool.protocol in NAMED)
    filters = Filters(settings.model_copy(update={"vaults": vaults}), network, proofs)
    chosen = filters.choose(pool for pool in known.values() if pool.liquidity_wei is not None)
    without_state = {
        venue: filters.by_facts(pool) or chosen.left_out.get(venue) or _unsaved(pool)
        for venue, pool in known.items()
        if venue not in pools
    }
    return Snapshot(
        tuple(Recorded(pools[venue], block) for venue in sorted(pools)),
        tuple(LeftOut(venue, why) for venue, why in sorted({**refused, **without_state}.items())),
    )


def _unsaved(pool: KnownPool) -> str:
    if pool.protocol in NAMED:
        return "it was left out when states were last saved: it was not in pools.vaults, or could not be read"
    if pool.liquidity_wei is None:
        return "it was found and never measured: `isthmus discover` measures it"
    return f"it was left out when it was last measured, at {pool.liquidity_wei / _ETH:.4g} ETH of liquidity"
