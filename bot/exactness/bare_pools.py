"""Pools without their periphery: an account and tokens of a few bytes let a pool's own `mint` and `swap` be called.

A concentrated pool calls back whoever calls it, and then looks whether its balance has grown. Here the caller is a
contract that accepts every call and does nothing, and the tokens' balances grow with every look, so that only the
pool's arithmetic is left to judge.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bot.exactness import Case, answer
from bot.exactness.contracts import Chain, call_data
from bot.exactness.uniswap_v3 import followed, random_range
from chains.assets import Address, Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.pool import PoolError
from chains.pools.tick_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE

POSITIONS = 12
AMOUNTS = 120
SWAPS = 15
LARGEST = 10**29
"""The most that these tokens' balances surely grow by between two looks."""

_CALLER = address("0x00000000000000000000000000000000000ca11e")
_STOP = "0x00"
_GROWING = (
    "0x36602414601157600160005260206000f3"  # any call but one with one argument: true
    "5b5a64010000000003605a1b60005260206000f3"  # balanceOf: (2^32 - gas left) · 2^90
)


async def bare_caller(chain: Chain) -> Chain:
    """The same chain, spoken to by the contract that accepts everything."""
    await chain.anvil.rpc("anvil_setCode", _CALLER, _STOP)
    await chain.anvil.rpc("anvil_impersonateAccount", _CALLER)
    return Chain(chain.anvil, _CALLER)


async def growing_tokens(chain: Chain) -> tuple[Token, Token]:
    """Two tokens whose balances grow, in the order pools keep them."""
    at = address("0x0000000000000000000000000000000000a00001"), address("0x0000000000000000000000000000000000a00002")
    for token in at:
        await chain.anvil.rpc("anvil_setCode", token, _GROWING)
    return Token("anvil", at[0], "A", 18), Token("anvil", at[1], "B", 18)


async def answering(chain: Chain, at: Address, words: Sequence[int]) -> None:
    """Put a contract at `at` that answers `words`, whatever it is asked."""
    stores = "".join(f"7f{word:064x}61{32 * index:04x}52" for index, word in enumerate(words))
    await chain.anvil.rpc("anvil_setCode", at, f"0x{stores}61{32 * len(words):04x}6000f3")


async def swapped(caller: Chain, pool: Address, zero_for_one: bool, specified: int) -> tuple[int, int] | None:
    """What the pool's own swap says it takes and gives (negative), for token0 and token1; None where it reverts."""
    limit = MIN_SQRT_PRICE + 1 if zero_for_one else MAX_SQRT_PRICE - 1
    data = call_data("swap(address,bool,int256,uint160,bytes)", caller.account, zero_for_one, specified, limit, b"")
    raw = await caller.ask(pool, data)
    if raw is None:
        return None
    return int.from_bytes(raw[:32], "big", signed=True), int.from_bytes(raw[32:64], "big", signed=True)


async def with_positions(
    caller: Chain, pool: ConcentratedPool, rng: random.Random, mint: str, owners: int, spacing: int
) -> ConcentratedPool:
    """The pool, followed by its events, after a dozen positions; its `mint` names this many recipients first."""
    for _ in range(POSITIONS):
        lower, upper = random_range(rng, pool.tick, spacing)
        arguments = *(caller.account,) * owners, lower, upper, int(10 ** rng.uniform(6, 24)), b""
        pool = followed(pool, await caller.send(pool.address, mint, *arguments))
    return pool


async def held_against(caller: Chain, pool: ConcentratedPool, rng: random.Random, name: str) -> list[Case]:
    """Amounts both ways, all sizes, and the states that real swaps leave."""
    cases = []
    for _ in range(AMOUNTS):
        down, size = rng.random() < 0.5, rng.choice((1, 2, LARGEST, int(10 ** rng.uniform(0, 29))))
        for specified in (size, -size):
            if not _reachable(pool, down, specified):
                continue
            real = await swapped(caller, pool.address, down, specified)
            cases.append(_case(pool, f"{name}, {'down' if down else 'up'} by {specified}", down, specified, real))
    for _ in range(SWAPS):
        down, size = rng.random() < 0.5, int(10 ** rng.uniform(3, 22))
        try:
            expected = pool.swapped(pool.tokens[0 if down else 1], size)
        except PoolError:
            continue
        limit = MIN_SQRT_PRICE + 1 if down else MAX_SQRT_PRICE - 1
        arguments = caller.account, down, size, limit, b""
        pool = followed(pool, await caller.send(pool.address, "swap(address,bool,int256,uint160,bytes)", *arguments))
        reached = (pool.sqrt_price_x96, pool.liquidity, pool.tick)
        predicted = (expected.sqrt_price_x96, expected.liquidity, expected.tick)
        cases.append(Case(f"{name}, the state after {size} {'down' if down else 'up'}", reached, predicted))
    return cases


def _reachable(pool: ConcentratedPool, down: bool, specified: int) -> bool:
    """Whether the tokens' balances grow by enough for the pool to get what it asks for."""
    try:
        return pool.filled(pool.tokens[0 if down else 1], specified).amount_in <= LARGEST
    except PoolError:
        return True


def _case(pool: ConcentratedPool, name: str, down: bool, specified: int, real: tuple[int, int] | None) -> Case:
    """The pool takes a part where `quote` must refuse; then what it would fill is compared."""
    token_in, token_out = pool.tokens if down else pool.tokens[::-1]
    ask = (pool.quote, token_in, specified) if specified > 0 else (pool.quote_exact_out, token_out, -specified)
    quoted = answer(*ask)
    if real is None:
        return Case(name, None, quoted)
    taken, given = (real[0], -real[1]) if down else (real[1], -real[0])
    if specified in (taken, -given):
        return Case(name, given if specified > 0 else taken, quoted)
    filled = pool.filled(token_in, specified)
    partial = (filled.amount_in, filled.amount_out) if quoted is None else None
    return Case(f"{name}, of which a part", (taken, given), partial)
