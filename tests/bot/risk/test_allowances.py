"""What was changed or granted at the signer is not refused by the engine, nor allowed beyond it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.ledger.ledger import Ledger
from bot.ledger.records import WorstCase
from bot.reasons import Reason, Refusal
from bot.risk.allowances import Allowances, allowed
from bot.risk.budget import Budget
from bot.risk.guard import Guard
from bot.signer.protocol import GrantUsage
from tests.bot.ledger.given import atomic_plan
from tests.bot.signer.making import NOW_S, HandClock

DEX = "dex_arbitrage"
TEN = Budget(*[10] * 6)


class Signer:
    """Says what it is told to, and counts how often it is asked."""

    def __init__(self) -> None:
        self.limits: Mapping[str, Mapping[str, int]] = {}
        self.grants: dict[str, GrantUsage] = {}
        self.asked = 0
        self.deaf = False

    async def status(self) -> Any:
        self.asked += 1
        if self.deaf:
            return Refusal(Reason.SIGNER_UNREACHABLE, "a test")
        return SimpleNamespace(limits=self.limits, grants=self.grants)


def heard(allowances: Allowances, signer: Signer, control: Path) -> None:
    """A person puts something there, and the engine looks."""
    folder = control / "limits"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{signer.asked}.json").touch()
    asyncio.run(allowances.refresh(signer.status))


def test_changed_limits_and_grants_add_up_until_the_grants_end(tmp_path: Path) -> None:
    clock, signer = HandClock(), Signer()
    allowances = Allowances(tmp_path, clock)
    signer.limits = {DEX: {"hour_loss": -3, "lifetime_loss": 9, "exposure": 2}}
    signer.grants = {"0x1": GrantUsage(DEX, "hour_loss", 7, 0, int(NOW_S) + 60)}
    assert allowances.of(DEX) == {}
    heard(allowances, signer, tmp_path)
    assert allowances.of(DEX) == {"hour_loss_wei": 4, "capital_wei": 2}
    assert allowances.of("") == {}
    clock.now_s += 60
    assert allowances.of(DEX) == {"hour_loss_wei": -3, "capital_wei": 2}


def test_a_signer_is_asked_only_when_a_person_changed_something_and_again_if_it_did_not_answer(tmp_path: Path) -> None:
    signer = Signer()
    allowances = Allowances(tmp_path, HandClock())
    asyncio.run(allowances.refresh(signer.status))
    assert signer.asked == 0
    signer.deaf, signer.limits = True, {"": {"hour_loss": 1}}
    heard(allowances, signer, tmp_path)
    assert allowances.of("") == {}
    signer.deaf = False
    asyncio.run(allowances.refresh(signer.status))
    assert (allowances.of(""), signer.asked) == ({"hour_loss_wei": 1}, 2)


def test_a_limit_lowered_below_nothing_is_nothing() -> None:
    assert allowed(TEN, {"hour_loss_wei": -11}) == dataclasses.replace(TEN, hour_loss_wei=0)


def test_the_guard_counts_by_the_limits_of_now(ledger: Ledger) -> None:
    by: dict[str, Mapping[str, int]] = {}
    guard = Guard(ledger, {DEX: TEN}, total=TEN, allowance=lambda scope: by.get(scope, {}))
    plan, worst = atomic_plan(1), WorstCase(5, 5)
    assert guard.check(plan, worst) is None
    by[DEX] = {"hour_loss_wei": -6}
    refusal = guard.check(plan, worst)
    assert refusal is not None and refusal.reason is Reason.BUDGET_HOUR_LOSS
    standing = guard.standing(DEX)
    assert standing is not None and standing[0].hour_loss_wei == 4
    by[DEX], by[""] = {}, {"gas_day_wei": -6}
    refusal = guard.check(plan, worst)
    assert refusal is not None and refusal.reason is Reason.BUDGET_GAS
    assert refusal.detail.startswith("all strategies")
