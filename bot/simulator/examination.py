"""All that can be found out about one transaction: the verdict, and why it is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.plan import Plan
from bot.simulator.diagnosis import TokenTrouble
from bot.simulator.holdings import Watched
from bot.simulator.question import Emitted
from bot.simulator.reverts import RevertReasons
from bot.simulator.sensitivity import Moved, sensitivity
from bot.simulator.simulator import Simulator
from bot.simulator.stage import Stage
from bot.simulator.trace import Frame, TraceLine, logs_in, read_trace, where_it_failed
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head
from chains.pools.words import topic

MOST_WATCHED = 64
_TRANSFER = topic("Transfer(address,address,uint256)")


@dataclass(frozen=True, slots=True)
class Examination:
    """`verdict` is the last word, `screened` what this process alone says; `failed_at` is the call that failed.

    `ours` are a plan's own contracts.
    """

    verdict: Verdict
    screened: Verdict | None
    logs: tuple[Emitted, ...]
    trace: tuple[TraceLine, ...]
    failed_at: TraceLine | None
    trouble: TokenTrouble | None
    moved: tuple[Moved, ...]
    names: Mapping[Address, str]
    ours: tuple[Address, ...] = ()


async def examine_transaction(
    simulator: Simulator, tx: UnsignedTransaction, head: Head, names: Mapping[Address, str]
) -> Examination:
    """A transaction of anybody's: every account that its events name is watched. Raises `ForkFailed`, `RpcError`."""
    frame = await simulator.traced(tx, head)
    logs = () if "error" in frame else logs_in(frame)
    return await _examined(simulator, tx, head, _concerned(tx, logs), frame, names)


async def examine_plan(simulator: Simulator, stage: Stage, head: Head) -> Examination:
    """A plan on its stage, which `simulator` has for an overlay. Raises `ForkFailed`, `RpcError`."""
    tx, names = stage.transaction(head), names_of(stage)
    frame = await simulator.traced(tx, head)
    found = await _examined(simulator, tx, head, stage.watched, frame, names)
    trouble = None
    if found.verdict.outcome is Outcome.REVERTED:
        trouble = await simulator.trouble(stage.plan, stage.actor.deployment.executor, head)
    moved = await sensitivity(stage, simulator, head)
    made = stage.actor.deployment
    return replace(found, trouble=trouble, moved=tuple(moved), ours=(made.executor, made.inventory))


def names_of(stage: Stage) -> dict[Address, str]:
    """What the plan's contracts are called: pools by their hops, tokens by their symbols."""
    made = stage.actor.deployment
    names = {made.executor: "executor", made.inventory: "inventory"}
    names |= _hops(stage.plan)
    return names | {
        Address(token.address): token.symbol for swap in stage.plan.swaps for token in (swap.token_in, swap.token_out)
    }


def _hops(plan: Plan) -> dict[Address, str]:
    numbers: dict[Address, list[str]] = {}
    for number, swap in enumerate(plan.swaps, 1):
        numbers.setdefault(swap.hop.pool, []).append(str(number))
    return {pool: f"hop {' and '.join(which)} ({pool})" for pool, which in numbers.items()}


async def _examined(
    simulator: Simulator,
    tx: UnsignedTransaction,
    head: Head,
    watched: Sequence[Watched],
    frame: Frame,
    names: Mapping[Address, str],
) -> Examination:
    reasons = RevertReasons.from_artefacts()
    screened = await simulator.alone(tx, head, watched)
    return Examination(
        verdict=await simulator.verdict(tx, head, watched),
        screened=screened,
        logs=() if "error" in frame else logs_in(frame),
        trace=read_trace(frame, names, reasons),
        failed_at=where_it_failed(frame, names, reasons),
        trouble=None,
        moved=(),
        names=names,
    )


def _concerned(tx: UnsignedTransaction, logs: Sequence[Emitted]) -> list[Watched]:
    """Who may have gained or lost what, by what tokens say; the balances decide."""
    found: dict[Watched, None] = {(tx.to, ZERO_ADDRESS): None}
    for log in logs:
        if len(log.topics) == 3 and log.topics[0] == _TRANSFER:
            for party in log.topics[1:]:
                if any(party):
                    found[address("0x" + party[-20:].hex()), log.address] = None
    return list(found)[:MOST_WATCHED]
