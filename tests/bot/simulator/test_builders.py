"""What tells a simulator or one builder from another pays nothing here, or is refused by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from bot.reasons import Reason
from bot.safety.probe import OPERATOR, STRANGER, probe_address
from bot.simulator import FinalVerdict, screen
from bot.simulator import local as local_evm
from bot.simulator.holdings import ASKER, READER
from bot.simulator.question import SURROUNDINGS, Answer, Question
from bot.simulator.verdict import Outcome
from chains.tools import ROOT
from tests.bot.simulator.assembly import assemble, pays_when
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    ODD,
    OWNER,
    placed,
    simulator,
    world,
)

TITAN = SURROUNDINGS[0].coinbase
KNOWN_BESIDES = "COINBASE 0x1f9090aae28b8a3dceadf281b0f12828e676c326 EQ ADD"
WHAT_TITAN_COSTS = f"GAS {TITAN} BALANCE POP GAS SWAP1 SUB"
"""The gas of looking at an account: little in the block that pays it (EIP-3651)."""


@pytest.mark.parametrize("condition", ["COINBASE ISZERO", "BASEFEE ISZERO", "GASPRICE ISZERO", "PREVRANDAO ISZERO"])
@pytest.mark.parametrize("final", FinalVerdict)
async def test_a_token_that_pays_only_a_simulator_pays_nothing_here(condition: str, final: FinalVerdict):
    async with world() as on, simulator(on, final=final) as fork:
        await placed(on, pays_when(condition))
        verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [(OWNER, ODD)])
        assert (verdict.outcome, verdict.delta(OWNER, ODD)) == (Outcome.OK, 0)


@pytest.mark.parametrize(
    "condition",
    [f"COINBASE {TITAN} EQ {KNOWN_BESIDES}", "COINBASE 1 AND", "PREVRANDAO 1 AND", f"{WHAT_TITAN_COSTS} 1000 GT"],
)
@pytest.mark.parametrize("final", FinalVerdict)
async def test_what_one_builders_block_pays_and_anothers_does_not_is_refused_by_name(
    condition: str, final: FinalVerdict
):
    async with world() as on, simulator(on, final=final) as fork:
        await placed(on, pays_when(condition))
        verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [(OWNER, ODD)])
        assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Reason.SIM_COINBASES_DISAGREE)
        assert "another builder's block" in verdict.reason


def test_nobody_knows_where_code_lies_that_is_only_there_for_a_trial():
    here = {READER, ASKER, OPERATOR, STRANGER, probe_address(ODD)}
    asked = (
        "from bot.simulator.holdings import ASKER, READER; from bot.safety.probe import *;"
        f"print(READER, ASKER, OPERATOR, STRANGER, probe_address('{ODD}'))"
    )
    there = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(there.split()) == len(here) and here.isdisjoint(there.split())


@needs_evm
async def test_what_cannot_tell_who_builds_the_block_runs_once_and_all_else_in_each_builders(
    monkeypatch: pytest.MonkeyPatch,
):
    answered: list[bool] = []

    class Counted(local_evm.LocalEvm):
        def answer(self, question: Question) -> Answer:
            answer = super().answer(question)
            answered.append(self._surroundings.nobodys)
            return answer

    monkeypatch.setattr(screen, "LocalEvm", Counted)
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as here, simulator(on) as fork:
        await placed(on, "0x" + assemble("PREVRANDAO POP STOP").hex())
        head = await on.head()
        for tx, ran in ((await on.swap(ETHER, (0, 1)), [True]), (await on.transaction(ODD), [False, False])):
            for _ in range(2):
                answered.clear()
                verdict = await here.verdict(tx, head, [(OWNER, on.tokens[1])])
                there = await fork.verdict(tx, head, [(OWNER, on.tokens[1])])
                assert replace(verdict, made_at_s=0) == replace(there, made_at_s=0)
                assert answered == ran


async def test_one_builder_more_succeeding_or_burning_gas_is_refused_too():
    async with world() as on, simulator(on) as fork:
        burn = "2000 burn: 1 SWAP1 SUB DUP1 @burn JUMPI STOP"
        for body in ("0 0 REVERT", burn):
            await placed(on, "0x" + assemble(f"COINBASE {TITAN} EQ @odd JUMPI STOP odd: {body}").hex())
            verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [])
            assert verdict.cause is Reason.SIM_COINBASES_DISAGREE
