"""How a plan's result changes when its pools have moved against it: real trades go before it, found by bisection.

A pool has moved by n bps when the plan's own amount, sold through its hop alone, brings n bps less than it did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.plan import Plan, Swap
from bot.simulator.holdings import Watched
from bot.simulator.simulator import Simulator
from bot.simulator.stage import Stage
from bot.simulator.verdict import LEVELS_BPS, Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.assets import Address
from chains.blocks import Head
from chains.hops import WRAPPERS

_BPS = 10**4
_FINE_PPM = 1_000
_PPM = 10**6
_MOST_DOUBLINGS = 60


@dataclass(frozen=True, slots=True)
class Moved:
    """The plan behind trades that moved each of its pools by `bps`; None where a pool cannot be moved so far."""

    bps: int
    verdict: Verdict | None


async def sensitivity(
    stage: Stage, simulator: Simulator, head: Head, levels: Sequence[int] = LEVELS_BPS
) -> list[Moved]:
    """The plan's verdict at each level. Empty where nobody can be put before it."""
    if stage.mover is None:
        return []
    tx, swaps = stage.transaction(head), movers(stage.plan)
    usual = [await _output(stage, simulator, head, swap, 0) for swap in swaps]
    found = []
    for bps in levels:
        amounts = [
            await _least_amount(stage, simulator, head, swap, out * (_BPS - bps) // _BPS) if out else None
            for swap, out in zip(swaps, usual, strict=True)
        ]
        found.append(Moved(bps, await _behind(stage, simulator, head, tx, swaps, amounts)))
    return found


def movers(plan: Plan) -> tuple[Swap, ...]:
    """The swaps by whose measure pools are moved: of a pool that several routes go through, the first alone.

    What no trade moves is not among them.
    """
    by_pool: dict[Address, Swap] = {}
    for swap in plan.swaps:
        if swap.hop.kind not in WRAPPERS:
            by_pool.setdefault(swap.hop.pool, swap)
    return tuple(by_pool.values())


async def _behind(
    stage: Stage,
    simulator: Simulator,
    head: Head,
    tx: UnsignedTransaction,
    swaps: Sequence[Swap],
    amounts: Sequence[int | None],
) -> Verdict | None:
    pushes: list[UnsignedTransaction] = []
    for swap, amount in zip(swaps, amounts, strict=True):
        if amount is None:
            return None
        pushes.append(stage.push(swap, amount, len(pushes), head))
    return await simulator.verdict(tx, head, stage.watched, pushes)


async def _least_amount(stage: Stage, simulator: Simulator, head: Head, swap: Swap, target: int) -> int | None:
    """The least trade, to a thousandth, after which the hop brings no more than `target`."""

    async def enough(amount: int) -> bool:
        output = await _output(stage, simulator, head, swap, amount)
        return output is not None and output <= target

    return await least(enough, max(1, swap.amount_in // _BPS))


async def least(enough: Callable[[int], Awaitable[bool]], first: int) -> int | None:
    """The least number, to a thousandth, for which the monotone `enough` holds; None if none up to `first` × 2^60."""
    low, high = 0, first
    for _ in range(_MOST_DOUBLINGS):
        if await enough(high):
            break
        low, high = high, 2 * high
    else:
        return None
    while high - low > max(1, high * _FINE_PPM // _PPM):
        middle = (low + high) // 2
        if await enough(middle):
            high = middle
        else:
            low = middle
    return high


async def _output(stage: Stage, simulator: Simulator, head: Head, swap: Swap, pushed: int) -> int | None:
    """What the hop brings for the plan's own amount, behind a trade of `pushed`; None where it brings nothing."""
    before = [stage.push(swap, pushed, 0, head)] if pushed else []
    own = stage.push(swap, swap.amount_in, len(before), head)
    arrives: Watched = stage.pushed_out(swap)
    verdict = await simulator.verdict(own, head, [arrives], before)
    return verdict.delta(*arrives) if verdict.outcome is Outcome.OK else None
