"""A venue of every pool family beside the executor: the real contract where a package has it, else a stand-in.

A stand-in speaks the family's own interface, at one price. What is proven of it is the hop that our pool makes: its
kind, address, direction and route.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from bot.exactness import aave_v3 as aave
from bot.exactness import curve
from bot.exactness.algebra import deployed_factory
from bot.exactness.balancer_v2_vault import Deployment, composable_2023, stable_2021
from bot.exactness.bare_pools import answering
from bot.exactness.contracts import Chain
from bot.exactness.erc4626 import vault_code
from bot.exactness.sequences import first_state
from chains.assets import Address, Token, address
from chains.executor import Hop, HopKind
from chains.pools.aave_v3 import Rules
from chains.pools.camelot import CamelotPool
from chains.pools.concentrated import ConcentratedPool
from chains.pools.pool import Pool, PoolFacts
from chains.pools.slipstream import SlipstreamPool
from chains.pools.solidly import SolidlyPool
from chains.pools.tick_math import sqrt_price_at
from chains.pools.wrapping_native import WrappedNativePool
from chains.pools.wrapping_wsteth import WstethPool
from chains.twin.artefacts import creation_code
from tests.chains.pools import test_balancer_v3, test_balancer_v3_buffer, test_erc4626
from tests.contracts.families import COIN, PRICE, Families
from tests.contracts.market import ETH, Market

DEPTH = 100 * ETH
_PAYER, _DEPLOYER, _MODULE = (address("0x" + digits * 20) for digits in ("9a", "9c", "9b"))
_WIDE_TICK = 60 * 160
_WETH_DECIMALS_SLOT = 2


@dataclass(frozen=True, slots=True)
class Way:
    """The hops from WETH to `bought` and back, and what our pools say comes out of each for an amount."""

    bought: Token
    forth: tuple[Hop, ...]
    back: tuple[Hop, ...]
    out: Callable[[int], int]
    home: Callable[[int], int]


Maker = Callable[[Families], Awaitable[Way]]


def real(pool: Pool, weth: Token, bought: Token) -> Way:
    """Through a real contract, whose own amounts must come out."""
    return Way(
        bought,
        (pool.hop(weth, bought),),
        (pool.hop(bought, weth),),
        lambda amount: pool.paid(weth, amount, bought),
        lambda amount: pool.paid(bought, amount, weth),
    )


def stand_in(pool: Pool, weth: Token, bought: Token) -> Way:
    """Through a contract of one price."""
    way = real(pool, weth, bought)
    return replace(way, out=lambda amount: amount * PRICE // 10, home=lambda amount: amount * 10 // PRICE)


async def constant_product(families: Families) -> Way:
    market = families.market
    facts = await market.pair(market.sushi, market.weth, DEPTH, market.dai, 3 * DEPTH)
    return real(await families.loaded(facts), market.weth, market.dai)


async def concentrated(families: Families) -> Way:
    market = families.market
    facts = await market.pool(market.weth, DEPTH, market.mid, 3 * DEPTH)
    return real(await families.loaded(facts), market.weth, market.mid)


async def pancake_v3(families: Families) -> Way:
    """Real bytecode too; no package has its deployer, which tells a pool five words."""
    market, chain = families.market, families.market.chain
    tokens = _sorted(market)
    await answering(chain, _DEPLOYER, [int(_DEPLOYER, 16), *(int(token.address, 16) for token in tokens), 2500, 50])
    await chain.anvil.rpc("anvil_impersonateAccount", _DEPLOYER)
    code = creation_code("@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json")
    at = await Chain(chain.anvil, _DEPLOYER).create(code)
    await chain.send(at, "initialize(uint160)", sqrt_price_at(0))
    payer = await _payer(market, tokens)
    await payer.send(at, "mint(address,int24,int24,uint128,bytes)", payer.account, -500_000, 500_000, DEPTH, b"")
    return real(await families.loaded(PoolFacts("concentrated", at, tokens, 2500)), market.weth, market.mid)


async def algebra(families: Families) -> Way:
    market, chain = families.market, families.market.chain
    tokens = _sorted(market)
    both = [token.address for token in tokens]
    factory = await deployed_factory(chain)
    await chain.send(factory, "createPool(address,address,bytes)", *both, b"")
    at = address((await chain.read(factory, "poolByPair(address,address)", ["address"], *both))[0])
    await chain.send(at, "initialize(uint160)", sqrt_price_at(0))
    payer = await _payer(market, tokens)
    mint = "mint(address,address,int24,int24,uint128,bytes)"
    await payer.send(at, mint, payer.account, payer.account, -_WIDE_TICK, _WIDE_TICK, DEPTH, b"")
    return real(await families.loaded(PoolFacts("algebra", at, tokens, 0)), market.weth, market.mid)


async def uniswap_v4(families: Families) -> Way:
    market = families.market
    facts = await families.pool(market.weth, DEPTH, market.mid, 3 * DEPTH)
    return real(await families.loaded(facts), market.weth, market.mid)


async def balancer_v2_weighted(families: Families) -> Way:
    market = families.market
    facts = await families.weighted(market.weth, DEPTH, market.mid, 3 * DEPTH)
    return real(await families.loaded(facts), market.weth, market.mid)


async def balancer_v2_stable(make: Any, families: Families) -> Way:
    market = families.market
    tokens = [market.weth, market.mid, market.dai]
    weth = market.weth.address, hex(_WETH_DECIMALS_SLOT), f"0x{market.weth.decimals:064x}"
    await market.chain.anvil.rpc("anvil_setStorageAt", *weth)
    deployment = await Deployment.beside(market.chain, families.vault_v2, tokens)
    family, at = await make(deployment, random.Random(2))
    await deployment.joined(at, [DEPTH] * 3)
    return real(await families.loaded(PoolFacts(family, at, deployment.tokens, 0)), market.weth, market.mid)


async def erc4626(families: Families) -> Way:
    market, chain = families.market, families.market.chain
    weth = market.weth
    at = await chain.create(vault_code(), ["address", "uint8"], [weth.address, 0])
    await chain.send(weth.address, "approve(address,uint256)", at, 2**256 - 1)
    await chain.send(at, "deposit(uint256,address)", 10 * DEPTH, chain.account)
    await chain.send(weth.address, "transfer(address,uint256)", at, DEPTH)
    share = Token(weth.place, at, "V", 18)
    return real(await families.loaded(PoolFacts("erc4626", at, (weth, share), 0)), weth, share)


async def wrapped_native(families: Families) -> Way:
    """Unwrapped coins are sold in a Uniswap V4 pool, and those it pays are wrapped."""
    market = families.market
    weth, mid = market.weth, market.mid
    pool = await families.loaded(await families.pool(COIN, DEPTH, mid, 3 * DEPTH))
    wrapper = WrappedNativePool(Address(weth.address), (COIN, weth))
    return Way(
        mid,
        (wrapper.hop(weth, COIN), pool.hop(COIN, mid)),
        (pool.hop(mid, COIN), wrapper.hop(COIN, weth)),
        lambda amount: pool.quote(COIN, wrapper.paid(weth, amount), mid),
        lambda amount: wrapper.paid(COIN, pool.quote(mid, amount, COIN)),
    )


async def slipstream(families: Families) -> Way:
    """Uniswap V3's bytecode stands in: Slipstream's pools are its fork, with the same call and callback."""
    market = families.market
    facts = await market.pool(market.weth, DEPTH, market.mid, 3 * DEPTH)
    known = await families.loaded(facts)
    assert isinstance(known, ConcentratedPool)
    kept = {field.name: getattr(known, field.name) for field in fields(known)}
    return real(SlipstreamPool(**kept, factory=market.v3, fee_module=_MODULE), market.weth, market.mid)


async def solidly(stable: bool, families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.SOLIDLY)
    return stand_in(SolidlyPool(at, tokens, (DEPTH, DEPTH), 5, stable, families.market.v3), *tokens)


async def camelot(stable: bool, families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.SOLIDLY)
    return stand_in(CamelotPool(at, tokens, (DEPTH, DEPTH), (300, 500), stable), *tokens)


async def curve_stable(families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.CURVE)
    return stand_in(replace(first_state("curve_plain2"), address=at, tokens=tokens), *tokens)


async def curve_meta(families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.CURVE)
    rai = curve.rai()
    return stand_in(replace(rai, own=replace(rai.own, address=at, tokens=tokens)), *tokens)


async def curve_meta_underlying(families: Families) -> Way:
    """Between two coins of the base pool, through the meta pool."""
    at, tokens = await _mocked(families, HopKind.CURVE)
    rai = curve.rai()
    base = replace(rai.base, tokens=(*tokens, rai.base.tokens[2]))
    return stand_in(replace(rai, own=replace(rai.own, address=at), base=base), *tokens)


async def curve_crypto(families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.CURVE_CRYPTO)
    return stand_in(replace(first_state("two"), address=at, tokens=tokens), *tokens)


async def balancer_v3(make: Callable[[], Any], families: Families) -> Way:
    at, tokens = await _mocked(families, HopKind.BALANCER_V3)
    pool = make()
    return stand_in(replace(pool, address=at, vault=families.vault_v3, tokens=(*tokens, pool.tokens[2])), *tokens)


async def balancer_v3_buffer(families: Families) -> Way:
    _, (weth, mid) = await _mocked(families, HopKind.BALANCER_V3)
    register = "register(address,address,address,uint256,uint256)"
    await families.market.chain.send(families.vault_v3, register, mid.address, weth.address, mid.address, PRICE, 0)
    wrapper = replace(test_erc4626.vault(), address=Address(mid.address), tokens=(weth, mid))
    return stand_in(replace(test_balancer_v3_buffer.buffer(), vault=families.vault_v3, wrapper=wrapper), weth, mid)


async def wsteth(families: Families) -> Way:
    weth = families.market.weth
    venue = await families.venue(HopKind.WSTETH)
    return stand_in(WstethPool(venue.forth.pool, (weth, venue.bought), DEPTH, DEPTH), weth, venue.bought)


async def aave_v3(rules: Rules, families: Families) -> Way:
    weth = families.market.weth
    venue = await families.venue(HopKind.AAVE_V3)
    pool = replace(aave.first_state(rules), address=venue.forth.pool, tokens=(weth, venue.bought))
    return stand_in(pool, weth, venue.bought)


MAKERS: Mapping[str, Maker] = {
    "constant_product": constant_product,
    "concentrated": concentrated,
    "concentrated, Pancake V3": pancake_v3,
    "algebra": algebra,
    "uniswap_v4": uniswap_v4,
    "balancer_v2_weighted": balancer_v2_weighted,
    "balancer_v2_stable/legacy": partial(balancer_v2_stable, stable_2021),
    "balancer_v2_stable/composable": partial(balancer_v2_stable, composable_2023),
    "erc4626": erc4626,
    "wrapped_native": wrapped_native,
    "slipstream": slipstream,
    "solidly/volatile": partial(solidly, False),
    "solidly/stable": partial(solidly, True),
    "camelot/volatile": partial(camelot, False),
    "camelot/stable": partial(camelot, True),
    "curve_stable": curve_stable,
    "curve_meta": curve_meta,
    "curve_meta, underlying": curve_meta_underlying,
    "curve_crypto": curve_crypto,
    "balancer_v3_weighted": partial(balancer_v3, test_balancer_v3.weighted),
    "balancer_v3_stable": partial(balancer_v3, test_balancer_v3.stable),
    "balancer_v3_buffer": balancer_v3_buffer,
    "wsteth": wsteth,
    "aave_v3/v3.0": partial(aave_v3, Rules.V3_0),
    "aave_v3/v3.6": partial(aave_v3, Rules.V3_6),
}
"""By family, and where it has several, by kind."""


async def _mocked(families: Families, kind: HopKind) -> tuple[Address, tuple[Token, Token]]:
    """A stand-in that sells the second token for the first, WETH."""
    venue = await families.venue(kind)
    return venue.forth.pool, (families.market.weth, venue.bought)


async def _payer(market: Market, tokens: tuple[Token, Token]) -> Chain:
    """An account whose code pays whoever calls it back."""
    rpc = market.chain.anvil.rpc
    await rpc("anvil_setCode", _PAYER, paying([(token.address, DEPTH) for token in tokens]))
    await rpc("anvil_impersonateAccount", _PAYER)
    for token in tokens:
        await market.chain.send(token.address, "transfer(address,uint256)", _PAYER, 2 * DEPTH)
    return Chain(market.chain.anvil, _PAYER)


def paying(amounts: Sequence[tuple[str, int]]) -> str:
    """Runtime code that, called by anybody, sends the caller these amounts of these tokens."""
    selector = "63a9059cbb60e01b5f5233600452"
    sends = (f"7f{amount:064x}6024525f5f60445f5f73{token[2:]}5af150" for token, amount in amounts)
    return "0x" + selector + "".join(sends) + "00"


def _sorted(market: Market) -> tuple[Token, Token]:
    first, second = sorted((market.weth, market.mid), key=lambda token: int(token.address, 16))
    return first, second
