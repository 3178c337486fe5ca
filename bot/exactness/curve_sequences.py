"""Curve pools followed event by event: quotes, and states, against what the contracts answered and held then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.exactness import Case, answer
from bot.exactness.extracts import extract
from chains.assets import Token, address
from chains.blocks import Log
from chains.pools.curve_crypto import CurveCryptoPool
from chains.pools.curve_meta import CurveMetaPool
from chains.pools.curve_stable import CurveStablePool
from chains.pools.registry import FAMILIES
from chains.snapshot.codec import decode, reference

CurvePool = CurveStablePool | CurveMetaPool | CurveCryptoPool


def stable() -> Iterator[Case]:
    """3pool's contract: swaps, deposits and all three withdrawals."""
    return _followed("3pool")


def meta() -> Iterator[Case]:
    """The meta pool template over 3pool: its own trades, those through the base pool, and the base pool's own."""
    return _followed("meta")


def crypto() -> Iterator[Case]:
    """tricrypto2's contract and both generations of two-coin pools, their price scales moving, parameters ramping."""
    for name in ("tricrypto", "two", "two_first"):
        yield from _followed(name)


def _followed(name: str) -> Iterator[Case]:
    document = next(document for document in extract("curve_sequences.json.gz") if document["name"] == name)
    tokens = {reference(token): token for token in (Token(*fields) for fields in document["tokens"])}
    by_address = {token.address: token for token in tokens.values()}
    pool = decode(document["pool"], FAMILIES[document["family"]].pool, tokens, name)
    assert isinstance(pool, CurvePool)
    for number, step in enumerate(document["steps"]):
        timed = pool.at(step["t"])
        token_in, token_out, amount = by_address[step["sell"]], by_address[step["buy"]], int(step["amount"])
        real = None if step["dy"] is None else int(step["dy"])
        label = f"{name}, step {number}"
        got = answer(timed.quote, token_in, amount, token_out)
        yield Case(f"{label}, {amount} {token_in} for {token_out}", real, got)
        if step["after"] is not None:
            after = tuple(map(int, step["after"]))
            pool = timed
            for log in _logs(step):
                pool = pool.applied(log)
            yield Case(f"{label}, the state its events leave", after, _state(pool)[: len(after)])


def _logs(step: Mapping[str, Any]) -> Iterator[Log]:
    for index, (emitter, topics, data) in enumerate(step["logs"]):
        raw = tuple(bytes.fromhex(topic) for topic in topics)
        yield Log(address(emitter), raw, bytes.fromhex(data), 1, "", "", 0, index)


def _state(pool: CurvePool) -> tuple[int, ...]:
    """What the contract was asked for after each step."""
    if isinstance(pool, CurveStablePool):
        return *pool.balances, pool.lp_supply
    if isinstance(pool, CurveMetaPool):
        assert pool.cache is not None
        held = (*pool.own.balances, pool.own.lp_supply, *pool.base.balances, pool.base.lp_supply)
        return *held, pool.cache.virtual_price, pool.cache.updated_s
    assert pool.oracle is not None
    memory = pool.oracle
    learnt = (memory.virtual_price, memory.xcp_profit, memory.lp_supply, *memory.last_prices)
    return *pool.balances, *pool.price_scale, pool.d, *learnt
