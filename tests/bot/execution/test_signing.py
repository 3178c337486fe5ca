"""When the signer hears of an outcome: once it is final, and again when its other side is done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bot.execution.signing import Signing
from bot.ledger.records import WorstCase
from bot.ledger.states import Exposure, IntentState, MinedAs, is_exposed
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Cover, Settle, Settled

RECEIPT: Any = SimpleNamespace(gas_cost_wei=21)
DEAF = [Reason.SIGNER_UNREACHABLE, Reason.SIGNER_BUSY, Reason.SIGNER_JOURNAL, Reason.SIGNER_INTERNAL]


def intent(state: IntentState, exposure: Exposure, capital_wei: int | None = None) -> Any:
    return SimpleNamespace(
        id=1,
        plan_id="plan",
        state=state,
        exposure=exposure,
        worst=WorstCase(0, 0, int(exposure is not Exposure.NONE) if capital_wei is None else capital_wei),
        is_exposed=is_exposed(state, MinedAs.OK, exposure),
    )


class Heard:
    """A signer that keeps what it is told, but while it is `deaf` for some reason."""

    def __init__(self) -> None:
        self.told: list[Settle | Cover] = []
        self.deaf: Reason | None = None

    async def settle(self, settle: Settle) -> Settled | Refusal:
        return self._told(settle)

    async def cover(self, cover: Cover) -> Settled | Refusal:
        return self._told(cover)

    def _told(self, said: Settle | Cover) -> Settled | Refusal:
        if self.deaf is not None:
            return Refusal(self.deaf, "a test")
        self.told.append(said)
        return Settled(0)


def mined(now: Any) -> tuple[Any, ...]:
    return (now,) if now.state is IntentState.MINED else ()


def signing(heard: Heard, now: Any, earned_wei: int = 5) -> Signing:
    ledger: Any = SimpleNamespace(
        intent=lambda intent_id: now,
        mined_intents=lambda: mined(now),
        earned_before_gas=lambda intent_id: earned_wei,
    )
    return Signing(SimpleNamespace(), ledger, heard)  # type: ignore[arg-type]


@pytest.mark.parametrize("exposure", [Exposure.NONE, Exposure.HEDGED, Exposure.UNWOUND])
async def test_what_a_trade_came_to_by_the_ledger_is_what_the_signer_counts(exposure: Exposure) -> None:
    heard = Heard()
    now = intent(IntentState.MINED, exposure)
    on = signing(heard, now, earned_wei=-7)
    on.mined(now, RECEIPT)
    assert await on.final(now)
    assert heard.told == [Settle("1:plan", 21, -7)]


@pytest.mark.parametrize("deaf", DEAF)
async def test_a_deaf_signer_is_told_again_before_the_ledger_says_final(deaf: Reason) -> None:
    heard = Heard()
    mined = intent(IntentState.MINED, Exposure.NONE)
    on = signing(heard, mined)
    on.mined(mined, RECEIPT)
    heard.deaf = deaf
    assert not await on.final(mined)
    heard.deaf = None
    assert await on.final(mined)
    assert heard.told == [Settle("1:plan", 21, 5)]


async def test_what_a_signer_will_not_take_keeps_nothing_from_being_final() -> None:
    heard = Heard()
    mined = intent(IntentState.MINED, Exposure.NONE)
    on = signing(heard, mined)
    on.mined(mined, RECEIPT)
    heard.deaf = Reason.SIGNER_SETTLEMENT
    assert await on.final(mined)


async def test_an_outcome_whose_block_was_replaced_is_never_told() -> None:
    heard = Heard()
    mined = intent(IntentState.MINED, Exposure.NONE)
    on = signing(heard, mined)
    on.mined(mined, RECEIPT)
    on.undone(mined)
    assert await on.final(mined)
    assert heard.told == []


async def test_what_is_done_on_both_sides_is_told_before_it_is_final_and_taken_back_with_its_block() -> None:
    heard = Heard()
    owing, done, undone = (
        intent(state, exposure)
        for state, exposure in (
            (IntentState.MINED, Exposure.OWED),
            (IntentState.MINED, Exposure.HEDGED),
            (IntentState.PENDING, Exposure.HEDGED),
        )
    )
    now = SimpleNamespace(intent=owing)
    ledger: Any = SimpleNamespace(
        intent=lambda intent_id: now.intent,
        mined_intents=lambda: mined(now.intent),
        earned_before_gas=lambda intent_id: 6,
    )
    on = Signing(SimpleNamespace(), ledger, heard)  # type: ignore[arg-type]
    on.mined(owing, RECEIPT)
    await on.covered()
    assert heard.told == []
    now.intent = done
    await on.covered()
    await on.covered()
    now.intent = undone
    on.undone(undone)
    await on.covered()
    now.intent = done
    on.mined(done, RECEIPT)
    await on.covered()
    assert await on.final(done)
    await on.covered()
    covered, exposed = Cover("1:plan", True), Cover("1:plan", False)
    assert heard.told == [covered, exposed, covered, Settle("1:plan", 21, 6)]


async def test_inventory_that_went_one_way_is_out_no_more_once_that_is_in_a_block() -> None:
    heard, gone = Heard(), intent(IntentState.MINED, Exposure.NONE, capital_wei=1)
    ledger: Any = SimpleNamespace(mined_intents=lambda: mined(gone))
    on = Signing(SimpleNamespace(), ledger, heard)  # type: ignore[arg-type]
    on.mined(gone, RECEIPT)
    await on.covered()
    assert heard.told == [Cover("1:plan", True)]


@pytest.mark.parametrize("deaf", DEAF)
async def test_a_deaf_signer_is_told_again_what_is_done_on_both_sides(deaf: Reason) -> None:
    heard = Heard()
    done = intent(IntentState.MINED, Exposure.HEDGED)
    on = signing(heard, done)
    on.mined(done, RECEIPT)
    heard.deaf = deaf
    await on.covered()
    heard.deaf = None
    await on.covered()
    assert heard.told == [Cover("1:plan", True)]
