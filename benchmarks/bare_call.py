"""One call in the EVM of this process and nothing around it: what `eth_call` does on a fork."""

from __future__ import annotations

from collections.abc import Callable

from bot.simulator.analysed import AnalysedAccounts
from bot.simulator.local import LocalEvm
from bot.simulator.question import SURROUNDINGS, Question, gas_price_wei
from bot.simulator.screen import Screen
from chains.anvil import Anvil


async def bare_call(question: Question, chain_id: int, fork: Anvil) -> Callable[[], bytes]:
    """The question's transaction, called on the state of its head; what it touches is learned from `fork` first."""
    screen = Screen(chain_id)
    await screen.learned(question, fork)
    filled = LocalEvm(screen.store, question.environment, SURROUNDINGS[0], chain_id, AnalysedAccounts())
    evm, tx = filled._evm, question.tx
    price_wei = gas_price_wei(tx, question.environment.base_fee_wei)

    def call() -> bytes:
        point = evm.snapshot()
        output: bytes = evm.message_call(
            tx.sender, tx.to, tx.data, value=tx.value_wei, gas=tx.gas_limit, gas_price=price_wei
        )
        evm.revert(point)
        return output

    return call
