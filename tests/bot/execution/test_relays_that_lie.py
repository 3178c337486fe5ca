"""What a relay says of a nonce is no evidence: whatever it says, the chain alone tells whose the nonce is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bot.execution.routes import Routes
from bot.ledger.ledger import Ledger
from bot.ledger.states import IntentState
from chains.node import SendOutcome, SendStatus
from chains.node.sending import SendCause
from chains.relays.destinations import MEMPOOL, Mempool, Window
from tests.bot.execution.given import head
from tests.bot.execution.scripted import Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.execution.test_submission import LASTING, block, leaves, mined

HELD, LATE, TOO_LOW = SendCause.REPLACEMENT_UNDERPRICED, SendStatus.UNKNOWN, SendCause.NONCE_TOO_LOW


@dataclass
class Liar:
    """A relay that answers as told, whatever it does with what it is given; the last answer again and again."""

    says: list[SendStatus | SendCause]
    given: list[bytes] = field(default_factory=list)

    async def send(self, raw: bytes, window: Window) -> SendOutcome:
        said = self.says[min(len(self.given), len(self.says) - 1)]
        self.given.append(raw)
        if isinstance(said, SendCause):
            return SendOutcome(SendStatus.REFUSED, "", "as told", said)
        return SendOutcome(said, "", "as told")

    async def withdraw(self, raw: bytes, window: Window) -> None:
        """It does not listen."""


@pytest.mark.parametrize("says", [[HELD], [LATE, HELD], [SendStatus.ACCEPTED, HELD], [TOO_LOW]], ids=str)
async def test_what_a_relay_calls_taken_is_booked_when_it_lands_after_all(
    ledger: Ledger, chain: ScriptedChain, signer: Connection, says: list[SendStatus | SendCause]
) -> None:
    relay = Liar(says)
    routes = Routes({MEMPOOL: Mempool(chain.send_raw), "liar": relay}, ("liar",))
    on = desk(ledger, chain, ScriptedSimulator(LASTING), signer, routes=routes)
    left = await leaves(on, ledger, LASTING)
    for number in (11, 12):
        await on.on_block(block(number))
    assert ledger.intent(left.intent.id).state in (IntentState.SENDING, IntentState.PENDING)
    assert on.refusal() is None and len(relay.given) > 1
    chain.receipts[left.tx_hash] = mined(left.tx_hash, head(13))
    chain.count = 1
    (settled,) = await on.on_block(block(13))
    assert settled.intent.id == left.intent.id


async def test_a_nonce_that_the_chain_has_counted_is_foreign_whoever_says_so(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    routes = Routes({MEMPOOL: Mempool(chain.send_raw), "liar": Liar([HELD])}, ("liar",))
    on = desk(ledger, chain, ScriptedSimulator(LASTING), signer, routes=routes)
    left = await leaves(on, ledger, LASTING)
    chain.count = 1
    for number in (11, 12, 13):
        await on.on_block(block(number))
    assert ledger.intent(left.intent.id).state is IntentState.FOREIGN
