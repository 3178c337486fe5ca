"""Pancake V3's pools, which are concentrated ones with fees of their own, against their real bytecode."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from bot.exactness import Case
from bot.exactness.bare_pools import answering, bare_caller, growing_tokens, held_against, with_positions
from bot.exactness.contracts import Chain, local_chain
from bot.exactness.uniswap_v3 import fully_known
from chains.assets import Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.pool import PoolFacts
from chains.pools.tick_math import sqrt_price_at

SPACINGS = {100: 1, 500: 10, 2500: 50, 10000: 200}
"""Tick spacing by fee in parts per million, as Pancake's factory enables them."""

_PACKAGE, _POOL = "@pancakeswap/v3-core", "artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json"
_MINT = "mint(address,int24,int24,uint128,bytes)"
_DEPLOYER = address("0x00000000000000000000000000000000000de901")


def on_anvil() -> Iterator[Case]:
    """A random pool of every fee: amounts both ways, from the smallest on, and states after swaps."""
    return iter(asyncio.run(_on_anvil()))


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    async with local_chain() as chain:
        caller, tokens = await bare_caller(chain), await growing_tokens(chain)
        for fee in SPACINGS:
            rng = random.Random(fee)  # noqa: S311
            pool = await _new_pool(caller, tokens, fee, rng.randint(-80_000, 80_000))
            pool = await with_positions(caller, pool, rng, _MINT, 1, SPACINGS[fee])
            cases += await held_against(caller, pool, rng, f"fee {fee}")
    return cases


async def _new_pool(caller: Chain, tokens: tuple[Token, Token], fee: int, tick: int) -> ConcentratedPool:
    """No package has Pancake's own deployer; the pool only asks it for these five words."""
    zero, one = (int(token.address, 16) for token in tokens)
    await answering(caller, _DEPLOYER, [int(_DEPLOYER, 16), zero, one, fee, SPACINGS[fee]])
    await caller.anvil.rpc("anvil_impersonateAccount", _DEPLOYER)
    at = await Chain(caller.anvil, _DEPLOYER).deploy(_PACKAGE, _POOL)
    await caller.send(at, "initialize(uint160)", sqrt_price_at(tick) + 1)
    loaded = await caller.load(PoolFacts("concentrated", at, tokens, fee))
    assert isinstance(loaded, ConcentratedPool)
    return fully_known(loaded)
