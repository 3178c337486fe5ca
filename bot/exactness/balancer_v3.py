"""Balancer V3's weighted and stable pools against what the vault answered on Sepolia and mainnet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.exactness import Case, answer
from bot.exactness.extracts import extract
from chains.assets import Token, address
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v3 import VaultPool, unlive
from chains.pools.balancer_v3_buffer import BalancerV3BufferPool
from chains.pools.balancer_v3_stable import BalancerV3StablePool, Surge
from chains.pools.balancer_v3_weighted import BalancerV3WeightedPool
from chains.pools.erc4626 import Erc4626Pool

_MINIMUM_WRAP = 1_000
_UNRECORDED = 10**30
"""How many rates there are with the recorded digits, to as many more as the answers can tell apart."""
_VAULT = address("0xbA1333333333a1BA1108E8412f11850A5C319bA9")


def weighted_recorded() -> Iterator[Case]:
    """A pool of two tokens of 6 and 18 decimals, both kinds of questions."""
    return _recorded("WEIGHTED")


def stable_recorded() -> Iterator[Case]:
    """Two pools with rates, one of them with the surge of fees that its hook adds."""
    return _recorded("STABLE")


def buffers_recorded() -> Iterator[Case]:
    """Three buffers, both ways.

    Their wrappers' rates were recorded to 18 decimals, rounded down, and the contracts counted in more: of the rates
    with those digits, one is taken at which all of a buffer's answers are right. Another formula has none.
    """
    for document in extract("balancer_v3_buffers_21671845.json"):
        buffer = _buffer(document)
        swaps = [(*_wrap(buffer, swap), int(swap["outputRaw"])) for swap in document["swaps"]]
        exact = _worth(buffer, _assets_within(buffer, swaps))
        for token_in, amount, expected in swaps:
            yield Case(
                f"{document['name']} {token_in.symbol} in {amount}", expected, answer(exact.quote, token_in, amount)
            )


def _wrap(buffer: BalancerV3BufferPool, swap: Mapping[str, Any]) -> tuple[Token, int]:
    wraps = address(swap["tokenOut"]) == buffer.address
    return buffer.tokens[0 if wraps else 1], int(swap["amountRaw"])


def _buffer(document: Mapping[str, Any]) -> BalancerV3BufferPool:
    wrapped, asset = (address(at) for at in document["tokens"])
    tokens = Token("ethereum", asset, "asset", 18), Token("ethereum", wrapped, "share", 18)
    assets = int(document["rate"]) * _UNRECORDED
    wrapper = Erc4626Pool(wrapped, tokens, assets, ONE * _UNRECORDED, (0, 0), deposit_cap=assets)
    return BalancerV3BufferPool(_VAULT, wrapper, 0, 0, _MINIMUM_WRAP)


def _worth(buffer: BalancerV3BufferPool, assets: int) -> BalancerV3BufferPool:
    return replace(buffer, wrapper=replace(buffer.wrapper, assets=assets))


def _assets_within(buffer: BalancerV3BufferPool, swaps: Sequence[tuple[Token, int, int]]) -> int:
    """The least assets with the recorded digits at which nothing unwrapped pays too little, nor wrapped too much."""
    low = buffer.wrapper.assets
    high = low + _UNRECORDED - 1
    while low < high:
        middle = (low + high) // 2
        candidate = _worth(buffer, middle)
        least = [candidate.quote(token, amount) - expected for token, amount, expected in swaps]
        signs = [1 if token == buffer.tokens[1] else -1 for token, _, _ in swaps]
        enough = all(sign * gap >= 0 for sign, gap in zip(signs, least, strict=True))
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


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
