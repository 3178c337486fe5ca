"""Balancer V3's weighted and stable pools against what the vault answered on Sepolia and mainnet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.exactness import Case, answer
from bot.exactness.extracts import extract
from chains.assets import Token, address
from chains.pools.balancer_v3 import VaultPool, unlive
from chains.pools.balancer_v3_stable import BalancerV3StablePool, Surge
from chains.pools.balancer_v3_weighted import BalancerV3WeightedPool

_VAULT = address("0xbA1333333333a1BA1108E8412f11850A5C319bA9")


def weighted_recorded() -> Iterator[Case]:
    """A pool of two tokens of 6 and 18 decimals, both kinds of questions."""
    return _recorded("WEIGHTED")


def stable_recorded() -> Iterator[Case]:
    """Two pools with rates, one of them with the surge of fees that its hook adds."""
    return _recorded("STABLE")


def _recorded(kind: str) -> Iterator[Case]:
    for document in extract("balancer_v3_swaps.json.gz"):
        if document["pool"]["poolType"] != kind:
            continue
        pool = _pool(document["pool"])
        by_address = {token.address: token for token in pool.tokens}
        for swap in document["swaps"]:
            token_in, token_out = by_address[address(swap["tokenIn"])], by_address[address(swap["tokenOut"])]
            amount, exact_out = int(swap["amountRaw"]), swap["swapKind"]
            name = f"{document['name']} {token_in.address} {'for' if exact_out else 'in'} {amount}"
            if exact_out:
                yield Case(name, int(swap["outputRaw"]), answer(pool.quote_exact_out, token_out, amount, token_in))
            else:
                yield Case(name, int(swap["outputRaw"]), answer(pool.quote, token_in, amount, token_out))


def _pool(state: Mapping[str, Any]) -> VaultPool:
    """The recordings say live balances, and by their scaling factors how many decimals each token has."""
    factors, rates = [int(factor) for factor in state["scalingFactors"]], tuple(map(int, state["tokenRates"]))
    tokens = tuple(
        Token("recorded", address(at), f"T{place}", 19 - len(str(factors[place])))
        for place, at in enumerate(state["tokens"])
    )
    balances = unlive(
        [int(balance) for balance in state["balancesLiveScaled18"]],
        [factor * rate for factor, rate in zip(factors, rates, strict=True)],
    )
    fees = int(state["swapFee"]), int(state["aggregateSwapFee"])
    shared = (address(state["poolAddress"]), _VAULT, tokens, balances, rates, *fees, False, False, False, False)
    if state["poolType"] == "WEIGHTED":
        return BalancerV3WeightedPool(*shared, tuple(map(int, state["weights"])))
    hook = state.get("hook")
    surge = (
        Surge(address(hook["address"]), int(hook["surgeThresholdPercentage"]), int(hook["maxSurgeFeePercentage"]))
        if hook
        else None
    )
    return BalancerV3StablePool(*shared, int(state["amp"]), None, surge)
