"""Whole runs on the twin, as the command makes them: what they come to, and that a seed decides them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from bot.clock import SystemClock
from bot.config.load import BUILT_IN, load
from bot.config.options import Quiet, RunOptions
from bot.ledger.ledger import Ledger
from bot.ledger.models import PlanRow, RefusalRow
from bot.ledger.reading import events
from bot.mode import Mode
from bot.plan import Plan, decode_plan
from bot.run import app
from bot.run.ending import Stopping
from bot.run.report import Summary
from chains.tools import ROOT

BLOCKS, MOST_BLOCKS = 12, 300
SEED = 5
REST = """
enabled = false
[certificate]
enabled = {certified}
[ledger]
folder = "runs"
"""
"""Behind the built-in run file, which ends with its dashboard."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended: its summary as it printed it, and what it decided, hashes of its own making left out."""

    summary: Summary
    document: dict[str, Any]
    plans: tuple[Plan, ...]
    refusals: tuple[tuple[int, str, str, str], ...]


class _UntilItSettled(Quiet):
    """Ends its run after the first trade: how many blocks a clock makes until then depends on the machine."""

    def __init__(self) -> None:
        self.stopping = Stopping(self)

    def line(self, text: str) -> None:
        if re.search(r" (settled|hedged) ", text) and not self.stopping.asked.is_set():
            self.stopping.heard()


def _run(folder: Path, seed: int, mode: Mode = Mode.LIVE, *, stepped: bool = True, certified: bool = False) -> Ran:
    """The built-in run, as fast as it decides or by the clock, with its files in `folder`.

    What certifies its blocks computes as much as all the rest, and decides nothing.
    """
    text = BUILT_IN.read_text().replace('"strategies/', f'"{ROOT}/strategies/')
    was, now = ("pace_s = 1\n", "pace_s = 0\n") if stepped else ("stepped = true\n", "stepped = false\n")
    assert was in text
    text = text.replace(was, now)
    (folder / "isthmus.toml").write_text(text + REST.format(certified=str(certified).lower()))
    loaded, until = load(folder / "isthmus.toml"), None if stepped else _UntilItSettled()
    options = RunOptions(mode=mode, blocks=BLOCKS if stepped else MOST_BLOCKS, seed=seed)
    summary = asyncio.run(app.run(loaded, options, until or Quiet(), until.stopping if until else None))
    ledger = Ledger.view(summary.ledger_url, SystemClock())
    try:
        return Ran(summary, orjson.loads(orjson.dumps(summary.document())), *_decided(ledger, summary))
    finally:
        ledger.close()


def _decided(ledger: Ledger, summary: Summary) -> tuple[tuple[Plan, ...], tuple[tuple[int, str, str, str], ...]]:
    ledger.attach()
    documents = select(PlanRow.document).order_by(PlanRow.id)
    refusals = select(RefusalRow.block_number, RefusalRow.strategy, RefusalRow.reason, PlanRow.note).join(
        PlanRow, PlanRow.id == RefusalRow.plan_row
    )
    with ledger.read() as connection:
        plans = tuple(decode_plan(row) for row in connection.execute(documents).scalars())
        refused = tuple(tuple(row) for row in connection.execute(refusals.order_by(RefusalRow.id)))
    assert summary.seed is not None
    return tuple(replace(plan, block_hash="", unwinds="") for plan in plans), refused  # type: ignore[return-value]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def ran(folder: Path) -> Ran:
    return _run(folder, SEED, certified=True)


def test_a_run_settles_trades_and_its_ledger_equals_the_chain(ran: Ran) -> None:
    summary = ran.summary
    assert summary.reconciliation is not None and summary.reconciliation.differing == ()
    assert summary.ledger_equals_chain is True
    assert summary.result.settled["dex_arbitrage"] >= 1
    assert sum(summary.result.settled.values()) >= 2
    assert summary.result.net_profit_wei["dex_arbitrage"] > 0
    assert summary.blocks >= BLOCKS and summary.in_flight == 0 and summary.trouble is None


def test_no_transaction_reverts_unless_another_touched_its_pools(ran: Ran) -> None:
    ledger = Ledger.view(ran.summary.ledger_url, SystemClock())
    try:
        ledger.attach()
        unexplained = [
            event.detail
            for event in events(ledger)
            if event.name == "not_as_simulated" and "others moved" not in event.detail
        ]
    finally:
        ledger.close()
    assert unexplained == []


AMOUNT = str
COUNTS = dict
EXPECTED: dict[str, type | tuple[type, ...]] = {
    "chain_id": int,
    "pools": int,
    "books": int,
    "settled": COUNTS,
    "net_profit": COUNTS,
    "sent": int,
    "reverted": int,
    "refused": COUNTS,
    "first_settled_s": float,
    "head_to_signed_ms": COUNTS,
    "ledger_equals_chain": bool,
    "pool_states": COUNTS,
    "seed": int,
    "blocks": int,
    "node_calls": int,
    "decisions": str,
    "ledger": str,
}
"""What the last line of a run with `--json` has, and of which type."""


@pytest.mark.parametrize("key", EXPECTED)
def test_the_summary_has_every_key_that_was_promised(ran: Ran, key: str) -> None:
    assert isinstance(ran.document[key], EXPECTED[key])


def test_amounts_in_the_summary_are_decimal_strings_of_wei(ran: Ran) -> None:
    assert set(ran.document["net_profit"]) == {"dex_arbitrage", "cex_dex_arbitrage"} == set(ran.document["settled"])
    for amount in ran.document["net_profit"].values():
        assert isinstance(amount, str) and str(int(amount)) == amount
    assert all(isinstance(count, int) for count in ran.document["refused"].values())
    assert set(ran.document["head_to_signed_ms"]) == {"p50", "p99"}


def test_every_step_of_a_decision_is_timed_in_its_order(ran: Ran) -> None:
    timed = ran.document["stages_ms"]
    order = ["taken_in", "found", "decided", "simulated", "reserved", "signed", "sent"]
    assert set(timed) == set(order)
    for percentile in ("p50", "p99"):
        reached = [timed[stage][percentile] for stage in order]
        assert reached == sorted(reached)
    assert timed["signed"] == ran.document["head_to_signed_ms"]


def test_the_ledger_keeps_the_summary_it_printed(ran: Ran) -> None:
    assert ran.document["chain_id"] == 31337 and ran.document["seed"] == SEED
    assert ran.document["pools"] >= 1000 and ran.document["books"] == 2
    assert Path(ran.document["ledger"]).is_file()


def test_at_rest_a_provider_is_asked_at_most_twice_a_block(ran: Ran) -> None:
    """Beside what sending and settling ask: a receipt per transaction and block, and the bytes themselves; and beside
    what verdicts are found on, which is all the state known in this process, and its sender's nonce, in one message.
    """
    asked_for_trades = 4 * ran.summary.result.sent
    asked_for_verdicts = 2 * ran.summary.blocks
    assert ran.summary.node_calls - asked_for_trades - asked_for_verdicts <= 2 * ran.summary.blocks + 10


def test_the_same_seed_decides_the_same(ran: Ran, folder: Path) -> None:
    again = _run(folder, SEED)
    assert again.plans == ran.plans
    assert again.refusals == ran.refusals
    assert again.document["decisions"] == ran.document["decisions"]
    assert again.document["settled"] == ran.document["settled"]


def test_another_seed_decides_otherwise(ran: Ran, folder: Path) -> None:
    other = _run(folder, SEED + 1, Mode.DRY)
    assert other.plans and other.plans != ran.plans
    assert other.document["decisions"] != ran.document["decisions"]


def test_a_twin_that_runs_by_the_clock_is_traded_like_any_chain(tmp_path: Path) -> None:
    ran = _run(tmp_path, SEED, stepped=False)
    assert ran.document["ledger_equals_chain"] is True
    assert ran.document["sent"] >= 1 and ran.document["trouble"] is None
