"""Answers that real contracts gave elsewhere, recorded by others: 0 mismatches."""

import pytest

from chains.assets import Token, address
from chains.pools.concentrated import MAX_AMOUNT, ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import InsufficientLiquidity
from chains.pools.tick_math import Q96, Ticks, all_words
from tests.chains.pools.samples import A, B, ranged, recorded


def core_pool(setup):
    positions = [(p["tickLower"], p["tickUpper"], int(p["liquidity"])) for p in setup["positions"]]
    return ranged(int(setup["startingSqrtPriceX96"]), positions, fee_ppm=setup["fee"], spacing=setup["tickSpacing"])


def test_swaps_end_as_uniswap_v3_cores_own_tests_recorded():
    document = recorded("uniswap_v3_core_swaps.json.gz")
    pools = {setup["description"]: core_pool(setup) for setup in document["pools"]}
    reverts = 0
    for vector in document["vectors"]:
        pool, expected = pools[vector["pool"]], vector["expected"]
        specified = int(vector["amountSpecified"]) if vector["amountSpecified"] else MAX_AMOUNT
        limit = int(vector["sqrtPriceLimitX96"]) if vector["sqrtPriceLimitX96"] else None
        token_in = A if vector["zeroForOne"] else B
        if "swapError" in expected:
            reverts += 1
            with pytest.raises(InsufficientLiquidity, match="past the limit"):
                pool.filled(token_in, specified, limit)
            continue
        filled = pool.filled(token_in, specified, limit)
        deltas = (filled.amount_in, -filled.amount_out)
        if not vector["zeroForOne"]:
            deltas = deltas[::-1]
        assert deltas == (int(expected["amount0Delta"]), int(expected["amount1Delta"])), vector
        assert filled.tick == expected["tickAfter"]
        assert f"{(filled.sqrt_price_x96 / Q96) ** 2:.5g}" == f"{float(expected['poolPriceAfter']):.5g}"
    assert (len(document["vectors"]), reverts) == (120, 32)


def wbtc_weth():
    state = recorded("state_uniswap_v3_wbtc_weth_24407242.json.gz")
    scalars = state["scalars"]
    tokens = tuple(
        Token("ethereum", address(t["address"]), t["symbol"], t["decimals"]) for t in (state["token0"], state["token1"])
    )
    gross = {int(tick): values[0] for tick, values in state["tick_data"].items()}
    net = {int(tick): values[1] for tick, values in state["tick_data"].items()}
    ticks = Ticks(scalars["tick_spacing"], *all_words(scalars["tick_spacing"]), net, gross)
    return ConcentratedPool(
        address(state["pool"]),
        tokens,
        scalars["fee"],
        scalars["sqrt_price_x96"],
        scalars["tick"],
        scalars["liquidity"],
        ticks,
    )


def test_quotes_equal_the_mainnet_quoters_on_a_pool_with_458_ticks():
    pool = wbtc_weth()
    by_symbol = {token.symbol: token for token in pool.tokens}
    document = recorded("quotes_uniswap_v3_wbtc_weth_24407242.json.gz")
    for key, answer in document["entries"].items():
        _, function, direction, amount = key.split("|")
        token_in, token_out = (by_symbol[symbol] for symbol in direction.split("->"))
        exact_in = function == "quoteExactInputSingle"
        filled = pool.filled(token_in, int(amount) if exact_in else -int(amount))
        assert (filled.amount_out if exact_in else filled.amount_in) == answer["value"], key
        if not exact_in and filled.amount_out == int(amount):
            assert pool.quote_exact_out(token_out, int(amount)) == answer["value"]
    assert len(document["entries"]) >= 30


def test_quotes_of_a_fork_with_another_fee_equal_its_router():
    state = recorded("state_pancakeswap_v2_46875151.json")
    tokens = tuple(
        Token("base", address(t["address"]), t["symbol"], t["decimals"]) for t in (state["token0"], state["token1"])
    )
    reserves = (state["reserves_token0"], state["reserves_token1"])
    fee_ppm = state["fee_numer"] * 10**6 // state["fee_denom"]
    pool = ConstantProductPool(address(state["pool"]), tokens, reserves, fee_ppm)
    entries = recorded("quotes_pancakeswap_v2_46875151.json.gz")["entries"]
    for key, answer in entries.items():
        _, _, direction, amount = key.split("|")
        token_in = tokens[0] if direction.startswith("WETH") else tokens[1]
        assert pool.quote(token_in, int(amount)) == answer["value"], key
    assert len(entries) == 12
