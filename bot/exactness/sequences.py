"""Pools followed event by event: what the contracts answered on the way, and what they held after each step.

The recordings were made by running the contracts in an EVM; `data/README.md` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.exactness import Case, Cases, answer
from bot.exactness.extracts import extract
from chains.assets import Token, address
from chains.blocks import Log
from chains.pools.camelot import CamelotPool
from chains.pools.concentrated import ConcentratedPool
from chains.pools.curve_crypto import CurveCryptoPool
from chains.pools.curve_meta import CurveMetaPool
from chains.pools.curve_stable import CurveStablePool
from chains.pools.pool import Pool, Timed
from chains.pools.registry import FAMILIES
from chains.pools.upgrades import followed
from chains.pools.wrapping_wsteth import WstethPool
from chains.snapshot.codec import decode, reference


def of(name: str) -> Cases:
    """The cases of one recording."""
    return lambda: _cases(_recording(name))


def state_of(pool: Pool) -> tuple[int, ...]:
    """What the contract was asked for after each step."""
    return _STATES[type(pool)](pool)


def _recording(name: str) -> Mapping[str, Any]:
    for file in ("curve_sequences.json.gz", "sequences.json.gz"):
        for document in extract(file):
            if document["name"] == name:
                recording: Mapping[str, Any] = document
                return recording
    raise LookupError(f"there is no recording {name!r}")


def first_state(name: str) -> Pool:
    """The pool of a recording, as it was before its first step."""
    document = _recording(name)
    return _pool(document, document["pool"])


def recorded_logs(name: str) -> list[Log]:
    """Every log of a recording."""
    return [log for step in _recording(name)["steps"] for log in _logs(step)]


def _pool(document: Mapping[str, Any], state: Any) -> Pool:
    return decode(state, FAMILIES[document["family"]].pool, _tokens(document), document["name"])


def _tokens(document: Mapping[str, Any]) -> dict[str, Token]:
    return {reference(token): token for token in (Token(*fields) for fields in document["tokens"])}


def _cases(document: Mapping[str, Any]) -> Iterator[Case]:
    name = document["name"]
    by_address = {token.address: token for token in _tokens(document).values()}
    pool = _pool(document, document["pool"])
    for number, step in enumerate(document["steps"]):
        timed = pool.at(step["t"]) if isinstance(pool, Timed) else pool
        if "state" in step:
            timed = _pool(document, step["state"])
        token_in, token_out, amount = by_address[step["sell"]], by_address[step["buy"]], int(step["amount"])
        label = f"{name}, step {number}, {amount} {token_in} for {token_out}"
        yield Case(label, _number(step["dy"]), answer(timed.quote, token_in, amount, token_out))
        if "paid" in step:
            yield Case(f"{label}, paid", _number(step["paid"]), answer(timed.paid, token_in, amount, token_out))
        if step["after"] is not None:
            after = tuple(map(int, step["after"]))
            pool = timed
            for log in _logs(step):
                pool = followed(pool, log)
            yield Case(f"{name}, step {number}, the state its events leave", after, state_of(pool)[: len(after)])


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _logs(step: Mapping[str, Any]) -> Iterator[Log]:
    for index, (emitter, topics, data) in enumerate(step["logs"]):
        raw = tuple(bytes.fromhex(topic) for topic in topics)
        yield Log(address(emitter), raw, bytes.fromhex(data), 1, "", "", 0, index)


def _of_meta(pool: CurveMetaPool) -> tuple[int, ...]:
    held = (*pool.own.balances, pool.own.lp_supply, *pool.base.balances, pool.base.lp_supply)
    return held if pool.cache is None else (*held, pool.cache.virtual_price, pool.cache.updated_s)


def _of_crypto(pool: CurveCryptoPool) -> tuple[int, ...]:
    assert pool.oracle is not None
    memory = pool.oracle
    learnt = (memory.virtual_price, memory.xcp_profit, memory.lp_supply, *memory.last_prices)
    return *pool.balances, *pool.price_scale, pool.d, *learnt


def _of_concentrated(pool: ConcentratedPool) -> tuple[int, ...]:
    return pool.sqrt_price_x96, pool.tick, pool.liquidity


_STATES: Mapping[type, Callable[[Any], tuple[int, ...]]] = {
    CurveStablePool: lambda pool: (*pool.balances, pool.lp_supply),
    CurveMetaPool: _of_meta,
    CurveCryptoPool: _of_crypto,
    CamelotPool: lambda pool: (*pool.reserves, *pool.fees, pool.stable),
    WstethPool: lambda pool: (pool.pooled, pool.shares),
    FAMILIES["slipstream"].pool: _of_concentrated,
}

camelot_volatile, camelot_stable = of("camelot_volatile"), of("camelot_stable")
slipstream, wsteth = of("slipstream"), of("wsteth")
curve_3pool, curve_base, curve_plain2 = of("3pool"), of("curve_base"), of("curve_plain2")
curve_ng, curve_ng_oracle = of("curve_ng"), of("curve_ng_oracle")
curve_steth, curve_aeth, curve_aave = of("curve_steth"), of("curve_aeth"), of("curve_aave")
curve_ib, curve_compound, curve_y = of("curve_ib"), of("curve_compound"), of("curve_y")
curve_rocket, curve_factory_oracle = of("curve_rocket"), of("curve_factory_oracle")
curve_template_meta, curve_factory_meta, curve_tricrypto = of("meta"), of("curve_factory_meta"), of("tricrypto")
curve_two, curve_two_first, curve_tricrypto_first = of("two"), of("two_first"), of("tricrypto_first")
"""The recordings, each by what it is of."""
