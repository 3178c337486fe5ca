"""Aave V3's reserves against what the contracts did: every read of one, and what supplies and withdrawals moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bot.exactness import Answer, Case, answer
from bot.exactness.extracts import extract
from chains.assets import Token, address
from chains.pools.aave_v3 import AaveV3Pool, Rules, loading
from chains.pools.pool import PoolFacts

SUPPLY, WITHDRAW, LEAST = "supply", "withdraw", "least supply for"
ASKED = (SUPPLY, WITHDRAW, LEAST)
"""By the recordings' numbers: what a supply brings, what a withdrawal brings, the least supply that brings so much."""


def recorded(rules: Rules) -> Callable[[], Iterator[Case]]:
    """The cases of one revision of the market's pool."""
    return lambda: _cases(_recording(rules))


def first_state(rules: Rules) -> AaveV3Pool:
    """A recorded reserve, as it was loaded first."""
    document = _recording(rules)
    return _loaded(document, document["steps"][0])


def _recording(rules: Rules) -> Any:
    return extract(f"aave_{rules.value.replace('.', '_')}.json.gz")


def _cases(document: dict[str, Any]) -> Iterator[Case]:
    for step in document["steps"]:
        pool = _loaded(document, step)
        name = f"{pool.rules.value}, {step['name']}"
        for number, amount, answered in step["asks"]:
            yield Case(f"{name}, {ASKED[number]} {amount}", answered, _asked(pool, ASKED[number], amount))
        if step["after"] is not None:
            side, amount, reached = step["after"]
            left = pool.swapped(pool.tokens[side], amount)
            state = left.index, left.supplied, left.treasury, left.available
            yield Case(f"{name}, the state after {amount}", tuple(reached), state)


def _asked(pool: AaveV3Pool, question: str, amount: int) -> Answer:
    asset, a_token = pool.tokens
    if question == LEAST:
        return answer(pool.quote_exact_out, a_token, amount)
    return answer(pool.quote, asset if question == SUPPLY else a_token, amount)


def _loaded(document: dict[str, Any], step: dict[str, Any]) -> AaveV3Pool:
    """The reserve from what its contracts answered. Raises `KeyError` for a question they were not asked."""
    asset, a_token = address(document["asset"]), address(document["aToken"])
    known = {(to, data): bytes.fromhex(said) for calls in step["rounds"] for to, data, said in calls}
    tokens = Token("anvil", asset, "A", 18), Token("anvil", a_token, "aA", 18)
    steps = loading(PoolFacts("aave_v3", a_token, tokens, 0))
    calls = next(steps)
    while True:
        try:
            calls = steps.send(tuple(known[str(call.to), "0x" + call.data.hex()] for call in calls))
        except StopIteration as end:
            assert isinstance(end.value, AaveV3Pool)
            return end.value


v3_0, v3_6 = recorded(Rules.V3_0), recorded(Rules.V3_6)
"""The recordings, each by the revision that it is of."""
