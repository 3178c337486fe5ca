"""Market-wide recordings of many pools: rows of pools, decoded events, and tables of curves (fastlane-bot's), and the
twin's extract of them (`chains/twin/data`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.snapshot.found import Found, place_of, taken, token_of
from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.concentrated import SWAP, ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PPM, Pool
from chains.pools.tick_math import Ticks
from chains.pools.words import word
from chains.snapshot import LeftOut

PAIRS = {"uniswap_v2": 3000, "sushiswap_v2": 3000, "sushi_v2": 3000, "pancakeswap_v2": 2500}
"""Constant-product protocols and their input fees in parts per million."""

RANGES = {
    "uniswap_v3": {100: 1, 500: 10, 3000: 60, 10000: 200},
    "pancakeswap_v3": {100: 1, 500: 10, 2500: 50, 10000: 200},
}
"""Concentrated protocols, and their tick spacings by fee in parts per million."""

_ETHEREUM = place_of(1)


def rows(document: Any) -> Iterator[Found] | None:
    """A list of pools, one object each, with the token columns `tkn0_…`, `tkn1_…`."""
    if not isinstance(document, list) or not document or "exchange_name" not in document[0]:
        return None
    return (_row(row) for row in document)


def extract(document: Any) -> Iterator[Found] | None:
    """Pools with integer state, and the tokens they name, once each."""
    if not isinstance(document, dict) or document.keys() != {"tokens", "pools"}:
        return None
    tokens = {at: token_of(_ETHEREUM, at, symbol, decimals) for at, (symbol, decimals) in document["tokens"].items()}
    return (_extracted(raw, tokens) for raw in document["pools"])


def events(document: Any) -> Iterator[Found] | None:
    """A list of decoded events; those of concentrated pools are used."""
    if not isinstance(document, list) or not document or "event" not in document[0]:
        return None
    return (_event(event) for event in document)


def curves(table: Sequence[Mapping[str, str]]) -> Iterator[Found]:
    """A table of curves whose states were recorded as decimal floats, and without addresses."""
    reason = "recorded in rounded decimals and without its address: no exact quote can come of it"
    return (LeftOut(row["descr"], reason) for row in table)


def read_table(text: str) -> Sequence[Mapping[str, str]] | None:
    """The rows of a CSV table of curves; None for another table."""
    reader = csv.DictReader(text.splitlines())
    return list(reader) if {"descr", "constr", "k"} <= set(reader.fieldnames or ()) else None


def _row(row: Mapping[str, Any]) -> Found:
    protocol, venue = str(row["exchange_name"]), str(row.get("address"))
    if protocol == "balancer":
        return LeftOut(venue, "which version of the weighted mathematics it has was not recorded")
    if protocol not in PAIRS and protocol not in RANGES:
        return LeftOut(venue, f"{protocol} is not a family of this program")
    needed = ["tkn0_balance", "tkn1_balance"] if protocol in PAIRS else ["sqrt_price_q96", "tick", "liquidity"]
    if any(_integer(row.get(column)) is None for column in needed) or not _integer(row[needed[0]]):
        return LeftOut(venue, "listed without a state")
    block = _integer(row.get("last_updated_block")) or 0
    return taken(venue, block, lambda: _recorded(row, protocol))


def _recorded(row: Mapping[str, Any], protocol: str) -> Pool:
    names = ("tkn0_balance", "tkn1_balance") if protocol in PAIRS else ("liquidity", "sqrt_price_q96", "tick")
    fee_ppm = int(Decimal(str(row["fee_float"])) * PPM)
    state = [int(row[name]) for name in names]
    return _pool(protocol, address(row["address"]), (_token(row, 0), _token(row, 1)), fee_ppm, state)


def _extracted(raw: Mapping[str, Any], tokens: Mapping[str, Token]) -> Found:
    def made() -> Pool:
        one, other = (tokens[at] for at in raw["tokens"])
        state = [int(value) for value in raw["state"]]
        return _pool(raw["family"], address(raw["address"]), (one, other), raw["fee_ppm"], state)

    return taken(str(raw["address"]), raw["block"], made)


def _pool(protocol: str, at: Address, tokens: tuple[Token, Token], fee_ppm: int, state: Sequence[int]) -> Pool:
    """`state` is both reserves, or the liquidity in range, the root price · 2^96 and the tick."""
    if protocol in PAIRS:
        if fee_ppm != PAIRS[protocol]:
            raise ValueError(f"a fee of {fee_ppm} ppm, where {protocol} has {PAIRS[protocol]}")
        reserve0, reserve1 = state
        return ConstantProductPool(at, tokens, (reserve0, reserve1), fee_ppm)
    if fee_ppm not in RANGES[protocol]:
        raise ValueError(f"a fee of {fee_ppm} ppm, which {protocol} does not have")
    liquidity, root_price_x96, tick = state
    ticks = Ticks.around(tick, RANGES[protocol][fee_ppm])
    return ConcentratedPool(at, tokens, fee_ppm, root_price_x96, tick, liquidity, ticks)


def _token(row: Mapping[str, Any], number: int) -> Token:
    at, symbol, decimals = (row[f"tkn{number}_{column}"] for column in ("address", "symbol", "decimals"))
    return token_of(_ETHEREUM, at, symbol, decimals)


def _integer(value: Any) -> int | None:
    """An exact integer: a float only where it cannot have been rounded."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return None


def _event(event: Mapping[str, Any]) -> Found:
    arguments, at = event["args"], str(event["address"])
    if event["event"] != "Swap" or "sqrtPriceX96" not in arguments:
        return LeftOut(at, f"its event {event['event']} is of no family of this program")
    parties = (bytes.fromhex(arguments[name][2:]).rjust(32, b"\0") for name in ("sender", "recipient"))
    values = (arguments[name] for name in ("amount0", "amount1", "sqrtPriceX96", "liquidity", "tick"))
    return Log(
        address(at),
        (SWAP, *parties),
        b"".join(word(value) for value in values),
        event["blockNumber"],
        event["blockHash"],
        event["transactionHash"],
        event["transactionIndex"],
        event["logIndex"],
    )
