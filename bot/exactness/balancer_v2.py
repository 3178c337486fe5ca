"""Balancer V2's weighted and stable pools against what the vault answered on mainnet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from bot.exactness import Case, answer
from bot.exactness.extracts import extract, token
from chains.assets import Token, address
from chains.pools.balancer_math import ONE
from chains.pools.balancer_stable_math import Rounding
from chains.pools.balancer_v2 import VaultPool
from chains.pools.balancer_v2_stable import NO_SHARE, BalancerV2StablePool, Rate
from chains.pools.balancer_v2_weighted import BalancerV2WeightedPool
from chains.pools.pool import variant_of

_LEGACY_INVARIANT = 2
"""What the recordings call StableMath with `roundUp`."""


def weighted_recorded() -> Iterator[Case]:
    """Eleven weighted pools of two to four tokens, both kinds of questions."""
    return _recorded("balancer_v2_weighted_24407242.json.gz", weighted_pool)


def legacy_recorded() -> Iterator[Case]:
    """Two meta-stable pools, both kinds of questions, some of them at extreme balances."""
    return _recorded("balancer_v2_stable_24407242.json.gz", stable_pool, "legacy")


def composable_recorded() -> Iterator[Case]:
    """Two composable stable pools: the same."""
    return _recorded("balancer_v2_stable_24407242.json.gz", stable_pool, "composable")


def _recorded(
    name: str, read: Callable[[Mapping[str, Any], Sequence[Token]], VaultPool], variant: str = ""
) -> Iterator[Case]:
    document = extract(name)
    pools = {}
    for state in document["pools"]:
        tokens = [token("ethereum", fields) for fields in state["tokens"]]
        pools[state["address"]] = read(state, tokens), tokens
    for key, expected in document["quotes"].items():
        at, _, kind, *direction, amount = key.split("|")
        pool, tokens = pools[at]
        if variant_of(pool) != variant:
            continue
        token_in, token_out = _direction(direction, tokens)
        if kind == "GIVEN_IN":
            yield Case(key, expected, answer(pool.quote, token_in, int(amount), token_out))
        else:
            yield Case(key, expected, answer(pool.quote_exact_out, token_out, int(amount), token_in))


def _direction(direction: Sequence[str], tokens: Sequence[Token]) -> tuple[Token, Token]:
    """`i=0`, `j=1` or `DAI->WETH`."""
    if len(direction) == 2:
        given, taken = (tokens[int(part[2:])] for part in direction)
        return given, taken
    by_symbol = {token.symbol: token for token in tokens}
    given, taken = (by_symbol[symbol] for symbol in direction[0].split("->"))
    return given, taken


def weighted_pool(state: Mapping[str, Any], tokens: Sequence[Token]) -> VaultPool:
    """A weighted pool as degenbot records it."""
    return BalancerV2WeightedPool(
        address(state["address"]),
        address(state["vault"]),
        bytes.fromhex(state["pool_id"][2:]),
        tuple(tokens),
        tuple(state["balances"]),
        (0,) * len(tokens),
        int(Fraction(state["fee"]) * ONE),
        False,
        tuple(state["weights"]),
        state["pow_version"] != "v1",
    )


def stable_pool(state: Mapping[str, Any], tokens: Sequence[Token]) -> VaultPool:
    """A stable pool as degenbot records it."""
    share = state["bpt_idx"]
    kept = [place for place in range(len(tokens)) if place != share]
    return BalancerV2StablePool(
        address(state["address"]),
        address(state["vault"]),
        bytes.fromhex(state["pool_id"][2:]),
        tuple(tokens[place] for place in kept),
        tuple(state["balances"][place] for place in kept),
        (0,) * len(kept),
        int(Fraction(state["fee"]) * ONE),
        False,
        Rounding.LEGACY if state["invariant_version"] == _LEGACY_INVARIANT else Rounding.COMPOSABLE,
        state["amp"],
        tuple(Rate(state["resolved_rates"][place]) for place in kept),
        NO_SHARE if share is None else share,
    )
