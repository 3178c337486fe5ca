"""Two runs decision by decision: what both decided alike, what came out otherwise, and what only one of them did."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.replay.player import Decision

_Key = tuple[str, str, tuple[str, ...]]

_REACHED = {"simulated": "sent"}
"""As far as a dry run goes is as far as a live one."""


class Why(StrEnum):
    """What is not the same in two decisions, the first thing of it."""

    ONLY_ONE = "only the first decided it"
    ONLY_OTHER = "only the second decided it"
    SIZE = "another size"
    PROFIT = "another expected profit"
    OUTCOME = "another outcome"


@dataclass(frozen=True, slots=True)
class Pair:
    """Decisions of two runs on the same block, strategy and pools; None for a run that made none."""

    one: Decision | None
    other: Decision | None

    @property
    def why(self) -> Why:
        if self.one is None:
            return Why.ONLY_OTHER
        if self.other is None:
            return Why.ONLY_ONE
        mine, theirs = self.one.document, self.other.document
        if mine["legs"] != theirs["legs"]:
            return Why.SIZE
        return Why.PROFIT if mine["expected_profit_wei"] != theirs["expected_profit_wei"] else Why.OUTCOME

    @property
    def document(self) -> dict[str, Any]:
        shown = self.one or self.other
        assert shown is not None, "a pair has at least one side"
        plan = shown.document
        return {
            "block": int(plan["block_number"]),
            "strategy": plan["strategy"],
            "route": plan["note"],
            "why": self.why,
            "one": _side(self.one),
            "other": _side(self.other),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same` counts equal decisions; `pairs` are the others, in the order of their blocks."""

    same: int
    pairs: tuple[Pair, ...]

    @property
    def reasons(self) -> Counter[tuple[str, Why]]:
        """How many differ, by strategy and why."""
        return Counter((pair.document["strategy"], pair.why) for pair in self.pairs)


def compare(one: Sequence[Decision], other: Sequence[Decision]) -> Comparison:
    """Match the decisions of two runs. Equal ones have the same legs, amounts and outcome, whatever their ids."""
    waiting: defaultdict[_Key, deque[Decision]] = defaultdict(deque)
    for decision in other:
        waiting[_key(decision)].append(decision)
    same, pairs = 0, []
    for decision in one:
        queue = waiting.get(_key(decision))
        match = queue.popleft() if queue else None
        if match is not None and _substance(match) == _substance(decision):
            same += 1
        else:
            pairs.append(Pair(decision, match))
    pairs += [Pair(None, decision) for queue in waiting.values() for decision in queue]
    return Comparison(same, tuple(sorted(pairs, key=lambda pair: int(pair.document["block"]))))


def on_blocks(decisions: Sequence[Decision], numbers: Collection[int]) -> list[Decision]:
    """Those decisions that were made on one of these blocks."""
    return [decision for decision in decisions if int(decision.document["block_number"]) in numbers]


def _key(decision: Decision) -> _Key:
    plan = decision.document
    return plan["block_number"], plan["strategy"], tuple(_place(leg) for leg in plan["legs"])


def _place(leg: dict[str, Any]) -> str:
    return str(leg["hop"]["pool"]) if leg["kind"] == "Swap" else f"{leg['exchange']}:{leg['symbol']}"


def _substance(decision: Decision) -> tuple[Any, ...]:
    plan = decision.document
    return plan["legs"], plan["expected_profit_wei"], _REACHED.get(decision.said, decision.said)


def _side(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    plan = decision.document
    first = plan["legs"][0]
    return {
        "said": decision.said,
        "expected_profit_wei": plan["expected_profit_wei"],
        "amount_in": first.get("amount_in") or first.get("amount"),
    }
