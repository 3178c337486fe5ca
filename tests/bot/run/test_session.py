"""How a run that is over is summed up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.clock import SystemClock
from bot.ledger.errors import LedgerFull
from bot.mode import Mode
from bot.run.session import Session
from chains.blocks import Head
from tests.bot.ledger.given import open_ledger


async def test_a_summary_that_finds_no_space_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise LedgerFull("ledger: the disk is full")

    ledger = open_ledger(tmp_path / "ledger.db")
    monkeypatch.setattr(ledger, "finish_run", full)
    node = SimpleNamespace(calls_made=7, endpoints=())
    given: Any = SimpleNamespace(
        loaded=SimpleNamespace(config=SimpleNamespace(strategies=[])),
        options=SimpleNamespace(mode=Mode.DRY),
        world=SimpleNamespace(
            network=SimpleNamespace(name="twin", chain_id=31337), ledger=ledger, node=node, exchanges={}, pool_states={}
        ),
        market=SimpleNamespace(pools={}, books={}),
        engine=SimpleNamespace(counts=Counter(heads=3), decisions_digest="00", silence=None),
        hands=SimpleNamespace(simulator=SimpleNamespace(screening=None)),
    )
    session = Session(
        loaded=given.loaded,
        options=given.options,
        world=given.world,
        market=given.market,
        engine=given.engine,
        tokens=cast(Any, None),
        pools=None,
        recorder=None,
        ears=given.engine,
        hands=given.hands,
        stepper=None,
        certifier=None,
        collecting=cast(Any, SimpleNamespace(longest_ms=0.0)),
        standstill=cast(Any, None),
        first=cast(Head, None),
        clock=SystemClock(),
        out=cast(Any, None),
        signer=None,
        stopping=cast(Any, None),
        begun_ns=0,
        calls_before=4,
    )
    summary = await session.finish(1.0)
    ledger.close()
    assert (summary.blocks, summary.node_calls) == (3, 3)
    assert summary.trouble == "the summary could not be kept: ledger: the disk is full"
