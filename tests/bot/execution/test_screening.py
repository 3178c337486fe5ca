"""Fast first, then final: what fails in this process never takes the fork's time, and says by name what is wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.ledger.ledger import Ledger
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.simulator.diagnosis import TokenTrouble
from bot.simulator.verdict import Outcome, Verdict
from chains.assets import Address
from tests.bot.execution.given import cycle, head
from tests.bot.execution.scripted import ScriptedChain, ScriptedSimulator, desk
from tests.bot.market.samples import WETH

TAXED = TokenTrouble(Address(WETH.address), Reason.TOKEN_TAX, "keeps 900000 ppm when its buyer passes it on")


class Screening(ScriptedSimulator):
    """Says in this process what `here` changes of what it says on the fork; counts what each was asked."""

    def __init__(self, plan: Plan, here: dict[str, object], there: dict[str, object]) -> None:
        super().__init__(plan, **there)
        self.here = ScriptedSimulator(plan, **here)
        self.found: TokenTrouble | None = None

    async def screened(self, *question: object) -> Verdict | None:  # type: ignore[override]
        return await self.here.verdict(*question)  # type: ignore[arg-type]

    async def trouble(self, *question: object) -> TokenTrouble | None:  # type: ignore[override]
        return self.found


async def judged(ledger: Ledger, simulator: ScriptedSimulator) -> Verdict | Refusal:
    on = desk(ledger, ScriptedChain(), simulator, None)
    ledger.record_plan(cycle())
    prepared = on.prepare(cycle(), head(10))
    screened = await on.screened(prepared, head(10))
    return screened if isinstance(screened, Refusal) else await on.verdict(prepared, head(10))


async def test_what_reverts_in_this_process_is_not_asked_of_the_fork(ledger: Ledger) -> None:
    simulator = Screening(cycle(), {"outcome": Outcome.REVERTED, "reason": "K"}, {})
    assert await judged(ledger, simulator) == Refusal(Reason.SIM_REVERTED, "K")
    assert (len(simulator.here.asked), len(simulator.asked)) == (1, 0)


async def test_what_gains_too_little_in_this_process_is_not_asked_of_the_fork(ledger: Ledger) -> None:
    simulator = Screening(cycle(), {"deltas": {}}, {})
    refusal = await judged(ledger, simulator)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.SIM_BELOW_MIN_PROFIT
    assert re.fullmatch(r"-0\.\d+ ETH after gas on the fork, at least 0\.\d+ ETH wanted", refusal.detail)
    assert simulator.asked == []


async def test_what_survives_has_its_last_word_from_the_fork(ledger: Ledger) -> None:
    simulator = Screening(cycle(), {}, {"outcome": Outcome.INVALID, "cause": Reason.SIM_COINBASES_DISAGREE})
    refusal = await judged(ledger, simulator)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.SIM_COINBASES_DISAGREE
    assert (len(simulator.here.asked), len(simulator.asked)) == (1, 1)


@pytest.mark.parametrize("here", [True, False])
async def test_a_revert_through_a_token_that_taxes_is_refused_by_that_name(ledger: Ledger, here: bool) -> None:
    reverted: dict[str, object] = {"outcome": Outcome.REVERTED, "reason": "K"}
    simulator = Screening(cycle(), reverted if here else {}, reverted)
    simulator.found = replace(TAXED)
    refusal = await judged(ledger, simulator)
    assert refusal == Refusal(Reason.TOKEN_TAX, f"{TAXED}; K")
