"""Curve pools against what mainnet's contracts answered, recorded by others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.exactness import Case, answer
from bot.exactness.extracts import extract, token
from chains.assets import Token, address
from chains.pools import crypto_swap
from chains.pools.crypto_swap import FeeCurve
from chains.pools.curve_crypto import Course, CurveCryptoPool
from chains.pools.curve_meta import CurveMetaPool, PriceCache
from chains.pools.curve_rates import RateAsking, RateSource
from chains.pools.curve_stable import CurveStablePool
from chains.pools.pool import Pool
from chains.pools.stable_swap import RULES, Amplification, StableRules

REDEMPTION_PRICE_SNAP = address("0x07210B8871073228626AB79c296d9b22238f63cE")
"""Reflexer's contract on mainnet that takes down the redemption price of RAI."""

_DECIMALS_OF_RATES = 36


def stable() -> Iterator[Case]:
    """3pool: swaps, and what one coin's deposits and withdrawals are worth."""
    pool = tripool()
    yield from _swaps(pool, pool.tokens, "quotes_curve_3pool_24407242.json.gz")
    reserves = pool.reserves()
    for key, recording in extract("quotes_curve_3pool_liquidity_24407242.json.gz")["entries"].items():
        _, function, *_, position, amount = key.split("|")
        index = int(position.removeprefix("i="))
        if function == "calc_token_amount":
            got = answer(reserves.tokens_for, index, int(amount))
        else:
            got = answer(_withdrawn, pool, index, int(amount))
        yield Case(key, recording["value"], got)


def meta() -> Iterator[Case]:
    """RAI against 3Crv, whose rate is a redemption price, and its swaps through 3pool."""
    pool = rai()
    yield from _swaps(pool, (*pool.tokens, *pool.base.tokens), "quotes_curve_rai_25144000.json.gz")


def crypto() -> Iterator[Case]:
    """The first tricrypto pool: swaps. What it remembers of prices was not recorded, so no state after a swap."""
    pool = tricrypto()
    yield from _swaps(pool, pool.tokens, "quotes_curve_tricrypto_24407242.json.gz")


def tripool() -> CurveStablePool:
    """Mainnet's 3pool at block 24407242."""
    return stable_pool(extract("state_curve_3pool_24407242.json"))


def rai() -> CurveMetaPool:
    """Mainnet's RAI meta pool, and 3pool beneath it, at block 25144000."""
    return meta_pool(extract("state_curve_rai_25144000.json"))


def stable_pool(state: Mapping[str, Any]) -> CurveStablePool:
    """A plain pool of the first kind, as degenbot records it."""
    return _stable(state, RULES["first"])


def meta_pool(state: Mapping[str, Any]) -> CurveMetaPool:
    """A meta pool with a redemption price, as degenbot records it."""
    lp_token = address(state["lp_token"]["address"])
    asking = RateAsking(RateSource.REDEMPTION, (1, 1), (True, False), lp_token, REDEMPTION_PRICE_SNAP)
    rates = state["redemption_price"], state["virtual_price"]
    own = replace(_stable(state, RULES["template"], rates=rates), asking=asking)
    cache = PriceCache(state["base_virtual_price"], state["base_cache_updated"], deposits_store=False)
    return CurveMetaPool(own, stable_pool(state["base_pool"]), cache)


def tricrypto() -> CurveCryptoPool:
    """Mainnet's first tricrypto pool at block 24407242."""
    return crypto_pool(extract("state_curve_tricrypto_24407242.json"))


def crypto_pool(state: Mapping[str, Any]) -> CurveCryptoPool:
    """A pool of the first kind, as degenbot records it: `A()` answers in hundredths of what the pool keeps."""
    rules = crypto_swap.RULES["tricrypto_first"]
    shape = state["a_coefficient"] * rules.a_multiplier, state["gamma"]
    return CurveCryptoPool(
        address(state["address"]),
        tuple(token("ethereum", fields) for fields in state["tokens"]),
        tuple(state["balances"]),
        tuple(state["price_scale"]),
        state["d"],
        Course(shape, shape),
        FeeCurve(state["mid_fee"], state["out_fee"], state["fee_gamma"]),
        rules,
        state["block_timestamp"],
    )


def _stable(state: Mapping[str, Any], rules: StableRules, rates: tuple[int, ...] | None = None) -> CurveStablePool:
    ramp = (state[key] for key in ("initial_a", "future_a", "initial_a_time", "future_a_time"))
    tokens = tuple(token("ethereum", fields) for fields in state["tokens"])
    return CurveStablePool(
        address(state["address"]),
        tokens,
        tuple(state["balances"]),
        rates or tuple(10 ** (_DECIMALS_OF_RATES - traded.decimals) for traded in tokens),
        Amplification(*ramp),
        state["fee"],
        state["admin_fee"],
        rules,
        state["block_timestamp"],
        lp_supply=state["lp_token_total_supply"],
        rates_at_s=state["block_timestamp"] if rates else None,
    )


def _swaps(pool: Pool, tokens: tuple[Token, ...], name: str) -> Iterator[Case]:
    by_symbol = {traded.symbol: traded for traded in tokens}
    for key, recording in extract(name)["entries"].items():
        _, _, direction, amount = key.split("|")
        token_in, token_out = (by_symbol[symbol] for symbol in direction.split("->"))
        yield Case(key, recording["value"], answer(pool.quote, token_in, int(amount), token_out))


def _withdrawn(pool: CurveStablePool, index: int, burnt: int) -> int:
    return pool.reserves().withdrawn(index, burnt)[1]
