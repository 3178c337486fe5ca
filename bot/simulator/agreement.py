"""One transaction in two builders' blocks: what it pays may depend on neither, as some tokens make it do."""

from __future__ import annotations

from collections.abc import Sequence

from bot.simulator.holdings import Unanswered, Watched
from bot.simulator.question import Answer, Question, gas_price_wei
from chains.assets import ZERO_ADDRESS

MOST_GAS_APART = 30_000
"""Paying a builder whose account is new costs 25,000 more gas (EIP-161), and no more than that is honest."""


class CoinbasesDisagree(Unanswered):
    """The same transaction ended differently in two builders' blocks."""


def agreed(question: Question, answers: Sequence[Answer]) -> Answer:
    """The answer that all give, with the most gas of any. Raises `CoinbasesDisagree`."""
    first = answers[0]
    for other in answers[1:]:
        if other is first:
            continue
        if other.succeeded != first.succeeded:
            raise CoinbasesDisagree("it succeeds in one builder's block and reverts in another's")
        if _moved(question, other) != _moved(question, first):
            raise CoinbasesDisagree("it moves other amounts in another builder's block")
        if abs(other.gas_used - first.gas_used) > MOST_GAS_APART:
            raise CoinbasesDisagree(
                f"it uses {first.gas_used} gas in one builder's block, {other.gas_used} in another's"
            )
    return max(answers, key=lambda answer: answer.gas_used)


def _moved(question: Question, answer: Answer) -> dict[Watched, int]:
    """The deltas without what gas cost."""
    tx = question.tx
    moved = answer.deltas
    moved[tx.sender, ZERO_ADDRESS] += answer.gas_used * gas_price_wei(tx, question.environment.base_fee_wei)
    return moved
