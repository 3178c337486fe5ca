"""Algebra Integral's pools against their real bytecode."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bot.exactness import Case
from bot.exactness.bare_pools import bare_caller, growing_tokens, held_against, with_positions
from bot.exactness.contracts import Chain, local_chain
from bot.exactness.uniswap_v3 import followed
from chains.assets import Address, Token, address
from chains.pools.algebra import EVERY_TICK, AlgebraPool
from chains.pools.pool import PoolFacts
from chains.pools.tick_math import all_words, sqrt_price_at

FEES = (100, 500, 3000, 20_000)
SPACING = 60

_PACKAGE = "@cryptoalgebra/integral-core"
_MINT = "mint(address,address,int24,int24,uint128,bytes)"
_HIGHEST_NONCE = 0x7F


def on_anvil() -> Iterator[Case]:
    """Pools without a plugin at several fees: amounts both ways, from the smallest on, and states after swaps."""
    return iter(asyncio.run(_on_anvil()))


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    for fee in FEES:
        async with local_chain() as chain:
            rng = random.Random(fee)  # noqa: S311
            caller, tokens = await bare_caller(chain), await growing_tokens(chain)
            pool = await _new_pool(chain, tokens, fee, rng.randint(-80_000, 80_000))
            positioned = await with_positions(caller, pool, rng, _MINT, 2, SPACING)
            cases += await held_against(caller, positioned, rng, f"fee {fee}")
    return cases


async def _new_pool(chain: Chain, tokens: tuple[Token, Token], fee: int, tick: int) -> AlgebraPool:
    factory = await deployed_factory(chain)
    both = [token.address for token in tokens]
    await chain.send(factory, "createPool(address,address,bytes)", *both, b"")
    at = address((await chain.read(factory, "poolByPair(address,address)", ["address"], *both))[0])
    await chain.send(at, "initialize(uint160)", sqrt_price_at(tick) + 1)
    loaded = await chain.load(PoolFacts("algebra", at, tokens, fee))
    assert isinstance(loaded, AlgebraPool)
    first, last = all_words(EVERY_TICK)
    pool = replace(loaded, ticks=replace(loaded.ticks, first_word=first, last_word=last))
    changed = followed(pool, await chain.send(at, "setFee(uint16)", fee))
    assert isinstance(changed, AlgebraPool)
    return changed


async def deployed_factory(chain: Chain) -> Address:
    """The factory and the deployer of pools name each other in their constructors."""
    nonce = int(await chain.anvil.rpc("eth_getTransactionCount", chain.account, "latest"), 16)
    names = [f"artifacts/contracts/{name}.sol/{name}.json" for name in ("AlgebraPoolDeployer", "AlgebraFactory")]
    deployer = await chain.deploy(_PACKAGE, names[0], ["address"], [_created(chain.account, nonce + 1)])
    return await chain.deploy(_PACKAGE, names[1], ["address"], [deployer])


def _created(sender: str, nonce: int) -> Address:
    """Where the contract of a small `nonce` will be: the hash of the list [sender, nonce] in RLP."""
    assert 0 < nonce <= _HIGHEST_NONCE
    return address(to_checksum_address(keccak(b"\xd6\x94" + bytes.fromhex(sender[2:]) + bytes([nonce]))[-20:]))
