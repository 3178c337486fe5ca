"""Constant-product pairs against the real pair and router of Uniswap V2 and of Sushi, and against recorded answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from bot.exactness import Case, answer
from bot.exactness.contracts import Chain, call_data, local_chain, mapping_slot, ordered
from bot.exactness.extracts import extract, token
from chains.assets import Address, Token, address
from chains.pools.constant_product import MAX_RESERVE, ConstantProductPool
from chains.pools.pool import PPM

FACTORIES = (
    ("@uniswap/v2-core", "build/UniswapV2Factory.json"),
    ("@sushiswap/core", "deployments/mainnet/UniswapV2Factory.json"),
)
ROUTER = "@uniswap/v2-periphery", "build/UniswapV2Router02.json"
ROUNDS = 40
SEED = 1

FEE_PPM = 3000
_RESERVES_SLOT, _UNLOCKED_SLOT = 8, 12
_BALANCES_SLOT = 1


def on_anvil() -> Iterator[Case]:
    """Random pairs and amounts: the pair pays the quote and not a unit more, and its router quotes the same."""
    return iter(asyncio.run(_on_anvil()))


def recorded() -> Iterator[Case]:
    """A fork with another fee: Pancake V2 on Base, and its router's answers."""
    state = extract("state_pancakeswap_v2_46875151.json")
    tokens = token("base", state["token0"]), token("base", state["token1"])
    reserves = state["reserves_token0"], state["reserves_token1"]
    fee_ppm = state["fee_numer"] * PPM // state["fee_denom"]
    pool = ConstantProductPool(address(state["pool"]), tokens, reserves, fee_ppm)
    for key, recorded in extract("quotes_pancakeswap_v2_46875151.json.gz")["entries"].items():
        _, _, direction, amount = key.split("|")
        token_in = tokens[0] if direction.startswith("WETH") else tokens[1]
        got = answer(pool.quote, token_in, int(amount))
        yield Case(key, recorded["value"], got)


class _Pair:
    """One real pair, put into any state by pretending its storage."""

    def __init__(self, chain: Chain, at: Address, tokens: tuple[Token, Token]) -> None:
        self.chain, self.address, self.tokens = chain, at, tokens

    async def pays(self, pool: ConstantProductPool, token_in: Token, amount_in: int, amount_out: int) -> bool:
        """Whether the pair in `pool`'s state, having got `amount_in`, lets `amount_out` go."""
        first, second = pool.reserves
        held = [first, second]
        side = self.tokens.index(token_in)
        held[side] += amount_in
        state = {
            self.address: {_RESERVES_SLOT: first | second << 112, _UNLOCKED_SLOT: 1},
            **{
                token.address: {mapping_slot(self.address, _BALANCES_SLOT): balance}
                for token, balance in zip(self.tokens, held, strict=True)
            },
        }
        outs = (0, amount_out) if side == 0 else (amount_out, 0)
        data = call_data("swap(uint256,uint256,address,bytes)", *outs, self.chain.account, b"")
        return await self.chain.ask(self.address, data, state) is not None


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    async with local_chain() as chain:
        for package, artefact in FACTORIES:
            cases += await _held_against(chain, package, artefact)
    return cases


async def _held_against(chain: Chain, package: str, artefact: str) -> list[Case]:
    rng = random.Random(SEED)  # noqa: S311
    factory = await chain.deploy(package, artefact, ["address"], [chain.account])
    router = await chain.deploy(*ROUTER, ["address", "address"], [factory, factory])
    tokens = ordered(await chain.token("A"), await chain.token("B"))
    both = [token.address for token in tokens]
    await chain.send(factory, "createPair(address,address)", *both)
    at = (await chain.read(factory, "getPair(address,address)", ["address"], *both))[0]
    pair = _Pair(chain, address(at), tokens)

    cases: list[Case] = []
    for number in range(ROUNDS):
        reserves = (_random_reserve(rng), _random_reserve(rng)) if number else (MAX_RESERVE - 1, 1)
        pool = ConstantProductPool(pair.address, tokens, reserves, FEE_PPM)
        for token_in, token_out in (tokens, tokens[::-1]):
            where = f"{package} {reserves} {token_in.symbol}"
            for amount_in in _amounts(rng, MAX_RESERVE - reserves[tokens.index(token_in)]):
                cases += await _exact_in(pair, router, pool, token_in, amount_in, where)
            for amount_out in _amounts(rng, reserves[tokens.index(token_out)]):
                cases.append(await _exact_out(pair, pool, token_in, token_out, amount_out, where))
    return cases


async def _exact_in(
    pair: _Pair, router: Address, pool: ConstantProductPool, token_in: Token, amount_in: int, where: str
) -> list[Case]:
    name = f"{where} in {amount_in}"
    got = answer(pool.quote, token_in, amount_in)
    if got is None:
        return [Case(name, 1 if await pair.pays(pool, token_in, amount_in, 1) else None, None)]
    assert isinstance(got, int)
    paid = tuple([int(await pair.pays(pool, token_in, amount_in, out)) for out in (got, got + 1)])
    side = pool.tokens.index(token_in)
    facing = pool.reserves[side], pool.reserves[1 - side]
    data = call_data("getAmountOut(uint256,uint256,uint256)", amount_in, *facing)
    routed = await pair.chain.ask(router, data)
    return [
        Case(f"{name}: pays the quote, and a unit more", paid, (int(got > 0), 0)),
        Case(f"{name}: getAmountOut", None if routed is None else int.from_bytes(routed, "big"), got),
    ]


async def _exact_out(
    pair: _Pair, pool: ConstantProductPool, token_in: Token, token_out: Token, amount_out: int, where: str
) -> Case:
    name = f"{where} for out {amount_out}"
    got = answer(pool.quote_exact_out, token_out, amount_out)
    if got is None:
        most = MAX_RESERVE - pool.reserves[pool.tokens.index(token_in)]
        return Case(name, most if await pair.pays(pool, token_in, most, amount_out) else None, None)
    assert isinstance(got, int)
    paid = tuple([int(await pair.pays(pool, token_in, amount_in, amount_out)) for amount_in in (got, got - 1)])
    return Case(f"{name}: pays for the quote, and for a unit less", paid, (1, 0))


def _random_reserve(rng: random.Random) -> int:
    return min(int(2 ** rng.uniform(1, 112)), MAX_RESERVE)


def _amounts(rng: random.Random, most: int) -> tuple[int, ...]:
    """The smallest, the largest and one more than it, and two in between."""
    between = (max(1, int(2 ** rng.uniform(0, max(most, 1).bit_length() - 1))) for _ in range(2))
    return (1, most, most + 1, *between) if most else (1,)
