"""Balancer V2's pools of both generations against the real vault and their real bytecode."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import decode, encode

from bot.exactness import Case, answer
from bot.exactness.bare_pools import answering
from bot.exactness.contracts import Chain, call_data, local_chain
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v2 import VaultPool
from chains.pools.pool import PoolError, PoolFacts
from chains.tools import npm_package

ROUNDS = 4
AMOUNTS = 12

_TASKS = "@balancer-labs/v2-deployments", "dist/tasks"
_VAULT = "20210418-vault/artifact/Vault.json", ("address", "address", "uint256", "uint256")
_FEES = (
    "20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider.json",
    ("address", "uint256", "uint256"),
)
_WEIGHTED_2021 = (
    "20210418-weighted-pool/bytecode/WeightedPool.json",
    ("address", "string", "string", "address[]", "uint256[]", "uint256", "uint256", "uint256", "address"),
)
_WEIGHTED_2023 = (
    "20230206-weighted-pool-v3/artifact/WeightedPool.json",
    (
        "(string,string,address[],uint256[],address[],address[],uint256)",
        *("address", "address", "uint256", "uint256", "address", "string"),
    ),
)
_STABLE_2021 = (
    "deprecated/20210624-stable-pool/bytecode/StablePool.json",
    ("address", "string", "string", "address[]", "uint256", "uint256", "uint256", "uint256", "address"),
)
_COMPOSABLE_2023 = (
    "20230206-composable-stable-pool-v3/artifact/ComposableStablePool.json",
    (
        "(address,address,string,string,address[],address[],uint256[],bool[],"
        "uint256,uint256,uint256,uint256,address,string)",
    ),
)

_JOIN = "joinPool(bytes32,address,address,(address[],uint256[],bytes,bool))"
_SWAP = "swap((bytes32,uint8,address,address,uint256,bytes),(address,bool,address,bool),uint256,uint256)"
_QUERY = "queryBatchSwap(uint8,(bytes32,uint256,uint256,uint256,bytes)[],address[],(address,bool,address,bool))"
_FOREVER = 2**63
_RATE_PROVIDER = address("0x0000000000000000000000000000000000007a7e")
_MONTHS_S = 10**7


def weighted_on_anvil() -> Iterator[Case]:
    """Weighted pools of three tokens, of 2021 and of 2023: both kinds of questions, and the states after swaps."""
    return iter(asyncio.run(_on_anvil(_weighted_2021, _weighted_2023)))


def legacy_on_anvil() -> Iterator[Case]:
    """The stable pool of 2021: as the weighted ones."""
    return iter(asyncio.run(_on_anvil(stable_2021)))


def composable_on_anvil() -> Iterator[Case]:
    """The composable one of 2023, with a rate: as the weighted ones."""
    return iter(asyncio.run(_on_anvil(composable_2023)))


class Deployment:
    """A vault, three tokens, and whoever sets the protocol's fees."""

    def __init__(self, chain: Chain, vault: Address, fees: Address, tokens: tuple[Token, ...]) -> None:
        self.chain, self.vault, self.fees, self.tokens = chain, vault, fees, tokens
        self.addresses = [token.address for token in tokens]

    @classmethod
    async def make(cls, chain: Chain) -> Deployment:
        """Deploy everything and approve the tokens."""
        vault = await _created(chain, _VAULT, [_RATE_PROVIDER, _RATE_PROVIDER, 0, 0])
        return await cls.beside(chain, vault, [await chain.token(symbol) for symbol in "ABC"])

    @classmethod
    async def beside(cls, chain: Chain, vault: Address, tokens: Sequence[Token]) -> Deployment:
        """With a vault that there is, and tokens that the account holds."""
        fees = await _created(chain, _FEES, [vault, ONE, ONE])
        for token in tokens:
            await chain.send(token.address, "approve(address,uint256)", vault, 2**256 - 1)
        return cls(chain, vault, fees, tuple(sorted(tokens, key=lambda token: int(token.address, 16))))

    async def joined(self, pool: Address, amounts: Sequence[int]) -> None:
        """Give a new pool its first balances; a share among the vault's tokens is given nothing."""
        (pool_id,) = await self.chain.read(pool, "getPoolId()", ["bytes32"])
        (assets, _, _) = await self.chain.read(
            self.vault, "getPoolTokens(bytes32)", ["address[]", "uint256[]", "uint256"], pool_id
        )
        given = iter(amounts)
        first = [0 if address(asset) == pool else next(given) for asset in assets]
        start = encode(["uint256", "uint256[]"], [0, first])
        me = self.chain.account
        request = (assets, [2**256 - 1] * len(assets), start, False)
        await self.chain.send(self.vault, _JOIN, pool_id, me, me, request)


async def _weighted_2021(at: Deployment, rng: random.Random) -> tuple[str, Address]:
    weights = _weights(rng)
    fee = _fee(rng)
    pool = await _created(
        at.chain, _WEIGHTED_2021, [at.vault, "W", "W", at.addresses, weights, fee, 0, 0, at.chain.account]
    )
    return "balancer_v2_weighted", pool


async def _weighted_2023(at: Deployment, rng: random.Random) -> tuple[str, Address]:
    weights = rng.choice((_weights(rng), [ONE // 2, ONE // 4, ONE // 4]))
    nobody = [ZERO_ADDRESS] * 3
    params = ("W", "W", at.addresses, weights, nobody, nobody, _fee(rng))
    pool = await _created(at.chain, _WEIGHTED_2023, [params, at.vault, at.fees, 0, 0, at.chain.account, "1"])
    return "balancer_v2_weighted", pool


async def stable_2021(at: Deployment, rng: random.Random) -> tuple[str, Address]:
    """A new pool of that kind and its family, without balances."""
    arguments = [at.vault, "S", "S", at.addresses, rng.randint(1, 5_000), _fee(rng), 0, 0, at.chain.account]
    return "balancer_v2_stable", await _created(at.chain, _STABLE_2021, arguments)


async def composable_2023(at: Deployment, rng: random.Random) -> tuple[str, Address]:
    """A new pool of that kind and its family, without balances."""
    await answering(at.chain, _RATE_PROVIDER, [rng.randint(ONE // 2, 2 * ONE)])
    providers = [ZERO_ADDRESS, _RATE_PROVIDER, ZERO_ADDRESS]
    params = (
        *(at.vault, at.fees, "S", "S", at.addresses, providers, [0, _MONTHS_S, 0], [False] * 3),
        *(rng.randint(1, 5_000), _fee(rng), 0, 0, at.chain.account, "1"),
    )
    return "balancer_v2_stable", await _created(at.chain, _COMPOSABLE_2023, [params])


async def _on_anvil(*kinds: Any) -> list[Case]:
    cases: list[Case] = []
    async with local_chain() as chain:
        deployment = await Deployment.make(chain)
        for kind in kinds:
            rng = random.Random(kind.__name__)  # noqa: S311
            for number in range(ROUNDS):
                family, at = await kind(deployment, rng)
                size = rng.uniform(8, 25)
                await deployment.joined(at, [int(10 ** (size + rng.uniform(-1, 1))) for _ in range(3)])
                pool = await chain.load(PoolFacts(family, at, deployment.tokens, 0))
                assert isinstance(pool, VaultPool)
                name = f"{kind.__name__.lstrip('_')} {number}"
                cases += await _quotes(deployment, pool, rng, name)
                cases += await _swaps(deployment, pool, rng, name)
    return cases


async def _quotes(at: Deployment, pool: VaultPool, rng: random.Random, name: str) -> list[Case]:
    cases = []
    for _ in range(AMOUNTS):
        given, taken = rng.sample(range(3), 2)
        for kind, side in enumerate((given, taken)):
            held = pool.balances[side]
            amount = rng.choice((1, held * 3 // 10, held // 2, held, held + 1, int(held * 10 ** rng.uniform(-9, 1))))
            expected = await _queried(at, pool, kind, given, taken, max(amount, 1))
            ask = (pool.quote, given, taken) if kind == 0 else (pool.quote_exact_out, taken, given)
            got = answer(ask[0], at.tokens[ask[1]], max(amount, 1), at.tokens[ask[2]])
            cases.append(Case(f"{name}, {'for' if kind else 'in'} {amount}, {given} to {taken}", expected, got))
    return cases


async def _queried(at: Deployment, pool: VaultPool, kind: int, given: int, taken: int, amount: int) -> int | None:
    """What the vault says it takes or gives for `amount`; None where it reverts."""
    me = at.chain.account
    steps, funds = [(pool.pool_id, given, taken, amount, b"")], (me, False, me, False)
    raw = await at.chain.ask(at.vault, call_data(_QUERY, kind, steps, at.addresses, funds))
    if raw is None:
        return None
    (deltas,) = decode(["int256[]"], raw)
    return abs(int(deltas[given if kind else taken]))


async def _swaps(at: Deployment, pool: VaultPool, rng: random.Random, name: str) -> list[Case]:
    """Real swaps: the state their events tell, and the one the vault then has, are the one that was predicted."""
    cases = []
    me = at.chain.account
    for _ in range(4):
        given, taken = rng.sample(range(3), 2)
        amount = int(pool.balances[given] * 10 ** rng.uniform(-6, -1)) + 1
        token_in, token_out = at.tokens[given], at.tokens[taken]
        try:
            predicted = pool.swapped(token_in, amount, token_out)
        except PoolError:
            continue
        order = (pool.pool_id, 0, token_in.address, token_out.address, amount, b"")
        for log in await at.chain.send(at.vault, _SWAP, order, (me, False, me, False), 0, _FOREVER):
            pool = pool.applied(log)
        loaded = await at.chain.load(PoolFacts(pool.family, pool.address, at.tokens, 0))
        assert isinstance(loaded, VaultPool)
        cases.append(Case(f"{name}, the state after {amount}", loaded.balances, predicted.balances))
        cases.append(Case(f"{name}, the events of {amount}", loaded.balances, pool.balances))
    return cases


async def _created(chain: Chain, contract: tuple[str, tuple[str, ...]], arguments: Sequence[Any]) -> Address:
    """Deploy one of the package's contracts: (path, types of its constructor's arguments)."""
    package, folder = _TASKS
    path, types = contract
    document = json.loads((npm_package(package) / folder / path).read_text())
    code = document.get("bytecode") or document["creationCode"]
    return await chain.create(bytes.fromhex(code.removeprefix("0x")), types, arguments)


def _weights(rng: random.Random) -> list[int]:
    first, second = (rng.randint(5, 40) * 10**16 for _ in range(2))
    return [first, second, ONE - first - second]


def _fee(rng: random.Random) -> int:
    return rng.choice((10**12, 10**14, 3 * 10**15, 10**17))
