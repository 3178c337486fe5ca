"""Small markets for tests: tokens, pools, books, blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.market import Market
from chains.assets import Asset, Assets, Token
from chains.blocks import Block, Head, Log
from chains.exchanges.books import Book
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import sqrt_price_at
from tests.chains.pools import samples as pools
from tests.chains.pools.samples import token

ETH, USD, BTC = Asset("ETH"), Asset("USD"), Asset("BTC")
WETH = token(0xE, "WETH")
USDC = token(0xD, "USDC", 6)
WBTC = token(0xB, "WBTC", 8)
DAI = token(0xDA, "DAI")
ETH_AT_EXCHANGE = Token("binance", "ETH", "ETH", 8)
USD_AT_EXCHANGE = Token("binance", "USDT", "USDT", 8)

ASSETS = Assets({ETH: [WETH, ETH_AT_EXCHANGE], USD: [USDC, USD_AT_EXCHANGE], BTC: [WBTC]})


def market(*venues: Pool | Book, assets: Assets = ASSETS) -> Market:
    made = Market(assets)
    for venue in venues:
        if isinstance(venue, Book):
            made.set_book(venue)
        else:
            made.add_pool(venue)
    return made


def v2(number: int, one: Token, other: Token, reserves: tuple[int, int], fee_ppm: int = 3000) -> ConstantProductPool:
    return pools.pair(reserves, number=number, tokens=(one, other), fee_ppm=fee_ppm)


def v3(
    number: int,
    one: Token,
    other: Token,
    tick: int,
    positions: Sequence[tuple[int, int, int]],
    fee_ppm: int = 3000,
) -> ConcentratedPool:
    return pools.ranged(sqrt_price_at(tick), list(positions), number=number, tokens=(one, other), fee_ppm=fee_ppm)


def book(
    bids: Iterable[tuple[str, str]],
    asks: Iterable[tuple[str, str]],
    *,
    fee_ppm: int = 230,
    lot: str = "0.0001",
    min_notional: str = "5",
) -> Book:
    """An ETH/USDT book from whole prices and amounts."""
    tick, lot_units = USD_AT_EXCHANGE.units("0.01"), ETH_AT_EXCHANGE.units(lot)

    def levels(side: Iterable[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
        return tuple(
            (USD_AT_EXCHANGE.units(price) // tick, ETH_AT_EXCHANGE.units(amount) // lot_units) for price, amount in side
        )

    return Book(
        exchange="binance",
        symbol="ETH/USDT",
        base=ETH_AT_EXCHANGE,
        quote=USD_AT_EXCHANGE,
        bids=levels(bids),
        asks=levels(asks),
        tick=tick,
        lot=lot_units,
        min_amount=lot_units,
        min_notional=USD_AT_EXCHANGE.units(min_notional),
        taker_fee_ppm=fee_ppm,
        nonce=1,
    )


def block(number: int, *logs: Log) -> Block:
    digest = f"0x{number:064x}"
    return Block(Head(number, digest, f"0x{number - 1:064x}", 1_700_000_000 + number, 10**9, 0, 30_000_000), logs)


def sync(pool: Pool, reserves: tuple[int, int]) -> Log:
    return pools.log(pool.address, [SYNC], *reserves)
