"""The wrapped native coin against mainnet's WETH9."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from bot.exactness import Case, answer
from bot.exactness.contracts import Chain, call_data, local_chain
from chains.assets import ZERO_ADDRESS, Token, address
from chains.pools.pool import PoolFacts
from chains.pools.wrapping_native import WrappedNativePool
from chains.twin.artefacts import weth9_runtime

AMOUNTS = 20
SEED = 9

_WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
_RICH = 2**200


def on_anvil() -> Iterator[Case]:
    """What `deposit` and `withdraw` move, from one wei to more than there will ever be."""
    return iter(asyncio.run(_on_anvil()))


async def _on_anvil() -> list[Case]:
    rng = random.Random(SEED)  # noqa: S311
    coin, wrapped = Token("anvil", ZERO_ADDRESS, "ETH", 18), Token("anvil", _WETH, "WETH", 18)
    cases: list[Case] = []
    async with local_chain() as chain:
        await chain.anvil.rpc("anvil_setCode", _WETH, "0x" + weth9_runtime().hex())
        await chain.anvil.rpc("anvil_setBalance", chain.account, hex(_RICH))
        pool = await chain.load(PoolFacts("wrapped_native", _WETH, (coin, wrapped), 0))
        assert isinstance(pool, WrappedNativePool)
        for amount in (1, 2**120, *(int(2 ** rng.uniform(0, 150)) for _ in range(AMOUNTS))):
            wrapping = await _gained(chain, call_data("deposit()"), amount)
            cases.append(Case(f"wrap {amount}", wrapping, answer(pool.quote, coin, amount)))
            unwrapping = await _gained(chain, call_data("withdraw(uint256)", amount), 0)
            cases.append(Case(f"unwrap {amount}", -unwrapping, answer(pool.quote, wrapped, amount)))
    return cases


async def _gained(chain: Chain, data: str, value: int) -> int:
    """By how much the account's WETH grew; its coins must have shrunk by as much."""
    before = await _held(chain)
    await chain.transact({"to": _WETH, "data": data, "value": hex(value)})
    after = await _held(chain)
    if before[0] - after[0] != after[1] - before[1]:
        raise AssertionError(f"WETH and coins do not add up: {before}, {after}")
    return after[1] - before[1]


async def _held(chain: Chain) -> tuple[int, int]:
    """The account's coins and WETH."""
    coins = int(await chain.anvil.rpc("eth_getBalance", chain.account, "latest"), 16)
    return coins, int((await chain.read(_WETH, "balanceOf(address)", ["uint256"], chain.account))[0])
