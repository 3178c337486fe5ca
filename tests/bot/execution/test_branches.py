"""What is booked is of the chain that is followed: nodes lag, answer from other branches, and nobody tells of those."""

from __future__ import annotations

import pytest

from bot.execution.transactions import Sent, TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account as Held
from bot.ledger.states import IntentState
from tests.bot.execution.carrying import block, gains, must_be_sent
from tests.bot.execution.given import EXECUTOR, NETWORK, cycle, head
from tests.bot.execution.scripted import FINALITY_BLOCKS, Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.ledger.given import hash_of
from tests.bot.market.samples import WETH

ORPHAN = hash_of("orphan", 11)


@pytest.fixture
async def out(ledger: Ledger, chain: ScriptedChain, signer: Connection) -> tuple[TransactionDesk, Sent]:
    """A cycle that was sent on block 10."""
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    return on, await must_be_sent(on, ledger, cycle())


async def test_a_receipt_of_a_block_that_was_never_followed_is_none(
    out: tuple[TransactionDesk, Sent], ledger: Ledger, chain: ScriptedChain
) -> None:
    on, sent = out
    chain.followed = {11: head(11).hash}
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11, block=ORPHAN)
    assert await on.on_block(block(12)) == []
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
    assert len(await on.on_block(block(13))) == 1
    assert ledger.intent(sent.intent.id).block_hash == head(11).hash


async def test_what_was_booked_above_the_head_that_a_process_begins_with_is_pending_again(
    out: tuple[TransactionDesk, Sent], ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    """Its node lags: a reorganisation of what it does not have yet is one that it will never tell of."""
    on, sent = out
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11, block=ORPHAN)
    chain.followed = {11: ORPHAN}
    assert len(await on.on_block(block(12))) == 1
    again = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    await again.start()
    chain.followed = {}
    assert await again.on_block(block(10)) == []
    assert ledger.intent(sent.intent.id).state is IntentState.PENDING
    assert ledger.balance(Held(NETWORK, EXECUTOR, WETH.address)) == 0
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
    assert len(await again.on_block(block(11))) == 1


@pytest.mark.parametrize("remembered", [True, False])
async def test_what_is_deep_is_final_only_in_a_block_of_the_chain(
    out: tuple[TransactionDesk, Sent], ledger: Ledger, chain: ScriptedChain, remembered: bool
) -> None:
    on, sent = out
    orphaned, deep = gains(cycle(), sent, 11, block=ORPHAN), block(11 + FINALITY_BLOCKS)
    chain.receipts[sent.tx_hash] = orphaned
    assert len(await on.on_block(block(12))) == 1
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
    chain.followed = {11: head(11).hash} if remembered else {}
    assert await on.on_block(deep) == []
    assert ledger.intent(sent.intent.id).state is IntentState.PENDING
    assert len(await on.on_block(block(12 + FINALITY_BLOCKS))) == 1
    assert ledger.intent(sent.intent.id).state is IntentState.FINAL
