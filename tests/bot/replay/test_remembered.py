"""What a road with other settings is told of what the run saw."""

from __future__ import annotations

from typing import Any

import pytest

from bot.gas import ETHER
from bot.replay.codec import encode, encode_error
from bot.replay.recorder import Kind, key
from bot.replay.remembered import Remembered
from bot.replay.supposed import Supposing
from bot.signer.protocol import Cover, Settle, Settled
from chains.blocks import Receipt
from chains.node import Unreachable
from chains.node.seen import Seen
from tests.bot.signer.making import OPERATOR

MINED, UNKNOWN = "0x" + "11" * 32, "0x" + "22" * 32
RECEIPT = Receipt(MINED, 7, "0x" + "77" * 32, 0, 1, 21_000, 10**9, ())


def answered(asked: tuple[Any, ...], given: list[Any]) -> list[Any]:
    return [Kind.ANSWER, "chain.seen", key(asked, {}), *given]


async def test_what_was_seen_together_answers_who_looks_for_less_and_a_silent_node_is_silent_again() -> None:
    seen = Seen({MINED: RECEIPT, UNKNOWN: None}, {OPERATOR: 5}, {})
    both, one = ([MINED, UNKNOWN], [OPERATOR], []), ([MINED], [OPERATOR], [])
    tape = [answered(both, [None, encode_error(Unreachable("gone"))]), answered(both, [encode(seen)])]
    nothing: Any = None
    supposing = Supposing(tape, Remembered.of(tape), identity=nothing, market=nothing, heard=nothing, coin=nothing)
    with pytest.raises(Unreachable, match="gone"):
        await supposing.ask("chain.seen", both, {})
    assert await supposing.ask("chain.seen", one, {}) == Seen({MINED: RECEIPT}, {OPERATOR: 5}, {})
    assert supposing.supposed == 0


@pytest.mark.parametrize(
    ("told", "taken"),
    [(Settle("1:plan", 5, 3), Settled(2)), (Cover("1:plan", True), Settled(0)), (Cover("1:plan", False), Settled(0))],
)
async def test_what_a_signer_is_told_of_a_trade_that_the_run_did_not_make_is_taken(
    told: Settle | Cover, taken: Settled
) -> None:
    nothing: Any = None
    supposing = Supposing([], Remembered.of([]), identity=nothing, market=nothing, heard=nothing, coin=ETHER)
    assert await supposing.ask(f"signer.{type(told).__name__.lower()}", (told,), {}) == taken
