"""Which of the known pools make up the market, and of each of the others, why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.config.pools import PoolSettings
from bot.discovery.store import KnownPool
from bot.exactness import PROOFS, Proof, proven_pool
from chains.assets import Token
from chains.discovery.registries import NAMED, WRAPPER
from chains.networks import Network
from chains.pools.pool import Pool, variant_of

_WEI_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pools to trade, by venue in order; and the others, each with its reason."""

    kept: tuple[KnownPool, ...]
    left_out: Mapping[str, str]


class Filters:
    """The configuration's `[pools]`, for one network."""

    def __init__(self, settings: PoolSettings, network: Network, proofs: Iterable[Proof] = PROOFS) -> None:
        self._proofs = tuple(proofs)
        self._proven = frozenset(proof.family for proof in self._proofs)
        self._families, self._protocols = frozenset(settings.families), frozenset(settings.protocols)
        self._allowed = _addresses(settings.tokens, network)
        self._denied = _addresses(settings.deny_tokens, network)
        self._vaults = frozenset(settings.vaults)
        self.most = settings.max_pools
        self._least = settings.min_liquidity
        self.least_wei = settings.min_liquidity.units(_WEI_DECIMALS)

    def by_facts(self, pool: KnownPool) -> str | None:
        """Why a pool is left out, whatever its state; None where it may stay."""
        family = pool.facts.family
        if family not in self._proven:
            return f"nothing proves the mathematics of family {family}"
        wraps = family == WRAPPER
        if self._families and not wraps and family not in self._families:
            return f"family {family} is not in pools.families"
        if self._protocols and not wraps and pool.protocol not in self._protocols:
            return f"protocol {pool.protocol} is not in pools.protocols"
        if pool.protocol in NAMED and pool.facts.address not in self._vaults:
            return "it is not in pools.vaults"
        denied = next((token for token in pool.facts.tokens if token.address in self._denied), None)
        if denied is not None:
            return f"its token {denied.symbol} ({denied.address}) is in pools.deny_tokens"
        if self._allowed:
            other = next((token for token in pool.facts.tokens if token.address not in self._allowed), None)
            if other is not None:
                return f"its token {other.symbol} ({other.address}) is not in pools.tokens"
        return None

    def by_kind(self, pool: Pool) -> str | None:
        """Why a pool, once loaded, is left out for the kind of contract it is; None where it may stay."""
        if proven_pool(pool, self._proofs):
            return None
        kind = f"{pool.family}/{variant_of(pool)}".rstrip("/")
        return f"nothing proves the mathematics of {kind}: `isthmus exactness` lists it as unproven"

    def by_liquidity(self, wei: int) -> str | None:
        """Why a pool of that liquidity is left out; None where it may stay."""
        if wei >= self.least_wei:
            return None
        return f"its liquidity of {wei / 10**_WEI_DECIMALS:.4g} ETH is below pools.min_liquidity, {self._least}"

    def choose(self, pools: Iterable[KnownPool]) -> Chosen:
        """Those that may stay, the deepest first where there are too many. A pool never measured counts as empty."""
        kept, left_out = [], {}
        for pool in pools:
            reason = self.by_facts(pool) or self.by_liquidity(pool.liquidity_wei or 0)
            if reason is None:
                kept.append(pool)
            else:
                left_out[pool.facts.venue] = reason
        if len(kept) > self.most:
            deepest = sorted(kept, key=lambda pool: (-(pool.liquidity_wei or 0), pool.facts.venue))
            left_out |= {
                pool.facts.venue: f"{self.most} deeper pools are in the market, which is pools.max_pools"
                for pool in deepest[self.most :]
            }
            kept = [pool for pool in kept if pool.facts.venue not in left_out]
        return Chosen(tuple(kept), left_out)


def _addresses(names: Iterable[str], network: Network) -> frozenset[str]:
    """Tokens by symbol or address, as addresses."""
    named: Mapping[str, Token] = network.tokens
    return frozenset(named[name].address if name in named else name for name in names)
