"""What was on its way is taken up again where it stopped: after a reorganisation, and after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.execution.transactions import Sent, Settled, TransactionDesk
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account as Held
from bot.ledger.states import IntentState
from bot.plan import Plan
from bot.signer.protocol import Settle
from chains.blocks import Undone
from chains.node import SendStatus
from tests.bot.execution.carrying import block, carried, gains, must_be_sent, reverts, touch
from tests.bot.execution.given import (
    EXECUTOR,
    INVENTORY,
    NETWORK,
    OPERATOR,
    begin,
    cycle,
    head,
    open_ledger,
)
from tests.bot.execution.scripted import (
    FINALITY_BLOCKS,
    IDENTITY,
    Connection,
    ScriptedChain,
    ScriptedSimulator,
    desk,
)
from tests.bot.ledger.given import ETHER, StandingClock, hash_of
from tests.bot.market.samples import WETH


class TestAReorganisation:
    async def test_a_trade_is_undone_with_its_block_and_booked_once_in_the_next(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on, sent = await self._undone(ledger, chain, signer)
        assert ledger.intent(sent.intent.id).state is IntentState.PENDING
        assert ledger.balance(Held(NETWORK, EXECUTOR, WETH.address)) == 0
        assert ledger.balance(Held.native(NETWORK, OPERATOR)) == 10 * ETHER
        assert await on.on_block(replace(block(11), head=replace(head(11), hash="0xb"))) == []
        chain.receipts[sent.tx_hash] = receipt = gains(cycle(), sent, 12)
        (settled,) = await on.on_block(block(12))
        assert settled.explanation == "" and await on.on_block(block(13)) == []
        assert ledger.balance(Held(NETWORK, EXECUTOR, WETH.address)) == cycle().expected_profit_wei
        assert ledger.balance(Held.native(NETWORK, OPERATOR)) == 10 * ETHER - receipt.gas_cost_wei

    async def test_its_bytes_are_sent_again(self, ledger: Ledger, chain: ScriptedChain, signer: Connection) -> None:
        on, _ = await self._undone(ledger, chain, signer, replace(cycle(), deadline_block=13))
        await on.on_block(replace(block(11), head=replace(head(11), hash="0xb")))
        assert len(chain.sent) == 2 and len(set(chain.sent)) == 1

    async def test_what_others_did_in_a_dropped_block_explains_nothing(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on, sent = await self._undone(ledger, chain, signer)
        chain.receipts[sent.tx_hash] = reverts(sent, 12)
        (settled,) = await on.on_block(block(12))
        assert hash_of("other", 1) not in settled.explanation

    @staticmethod
    async def _undone(
        ledger: Ledger, chain: ScriptedChain, signer: Connection, plan: Plan | None = None
    ) -> tuple[TransactionDesk, Sent]:
        """A cycle that settled in block 11, behind another's swap, and block 11 dropped."""
        plan = plan or cycle()
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        chain.receipts[sent.tx_hash] = gains(plan, sent, 11)
        await on.on_block(block(11, touch(11, index=1)))
        del chain.receipts[sent.tx_hash]
        on.undo(Undone(head(10), (head(11).hash,)))
        return on, sent


class TestARestart:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "killed.db"

    @staticmethod
    def _reopened(ledger: Ledger, path: Path) -> Ledger:
        ledger.close()
        again = Ledger.open(str(path), StandingClock())
        begin(again)
        return again

    async def test_what_was_signed_and_never_sent_gives_its_nonce_back(
        self, path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(path)

        def killed(*signed: object, **options: object) -> None:
            raise KeyboardInterrupt

        ledger.record_signed = killed  # type: ignore[method-assign, assignment]
        simulator = ScriptedSimulator(cycle())
        with pytest.raises(KeyboardInterrupt):
            await carried(desk(ledger, chain, simulator, signer), ledger, cycle())
        ledger = self._reopened(ledger, path)
        on = desk(ledger, chain, simulator, signer)
        await on.start()
        assert chain.sent == [] and ledger.open_intents() == ()
        simulator.plan = cycle(11)
        assert (await must_be_sent(on, ledger, cycle(11), 11)).intent.nonce == 0
        ledger.close()

    async def test_what_may_have_left_is_sent_again_and_nothing_else(
        self, path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(path)
        chain.says = [SendStatus.UNKNOWN]
        simulator = ScriptedSimulator(cycle())
        on = desk(ledger, chain, simulator, signer)
        sent = await must_be_sent(on, ledger, cycle())
        ledger = self._reopened(ledger, path)
        on = desk(ledger, chain, simulator, signer)
        await on.start()
        assert len(chain.sent) == 2 and len(set(chain.sent)) == 1
        assert ledger.intent(sent.intent.id).state is IntentState.PENDING
        assert ledger.next_nonce(OPERATOR) == 1
        ledger.close()

    async def test_what_called_another_executor_is_settled_by_a_run_with_that_one(
        self, path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(path)
        simulator = ScriptedSimulator(cycle())
        sent = await must_be_sent(desk(ledger, chain, simulator, signer), ledger, cycle())
        ledger = self._reopened(ledger, path)
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
        elsewhere = replace(IDENTITY, executor=INVENTORY, inventory=EXECUTOR)
        with pytest.raises(LedgerError, match=rf"intent 1 calls executor {EXECUTOR}.*in executor.address.*keys"):
            await desk(ledger, chain, simulator, signer, identity=elsewhere).start()
        on = desk(ledger, chain, simulator, signer)
        await on.start()
        (settled,) = await on.on_block(block(12))
        assert settled.deltas
        ledger = self._reopened(ledger, path)
        with pytest.raises(LedgerError, match="intent 1"):
            await desk(ledger, chain, simulator, signer, identity=elsewhere).start(10 + FINALITY_BLOCKS)
        moved_on = desk(ledger, chain, simulator, signer, identity=elsewhere)
        await moved_on.start(11 + FINALITY_BLOCKS)
        await moved_on.on_block(block(11 + FINALITY_BLOCKS))
        assert ledger.intent(sent.intent.id).state is IntentState.FINAL
        ledger.close()

    async def test_what_was_mined_meanwhile_is_booked(
        self, path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(path)
        simulator = ScriptedSimulator(cycle())
        sent = await must_be_sent(desk(ledger, chain, simulator, signer), ledger, cycle())
        ledger = self._reopened(ledger, path)
        chain.count, chain.says = 1, [SendStatus.REFUSED]
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
        on = desk(ledger, chain, simulator, signer)
        await on.start()
        settled: list[Settled] = await on.on_block(block(20))
        assert [done.profit_wei for done in settled] == [cycle().expected_profit_wei]
        assert ledger.balance(Held(NETWORK, EXECUTOR, WETH.address)) == cycle().expected_profit_wei
        ledger.close()

    async def test_a_settlement_the_signer_was_not_told_of_is_told_again(
        self, path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(path)
        simulator = ScriptedSimulator(cycle())
        on = desk(ledger, chain, simulator, signer)
        sent = await must_be_sent(on, ledger, cycle())
        receipt = chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)

        async def killed(settle: Settle) -> None:
            raise KeyboardInterrupt

        told, signer.settle = signer.settle, killed  # type: ignore[method-assign, assignment]
        await on.on_block(block(11))
        with pytest.raises(KeyboardInterrupt):
            await on.on_block(block(11 + FINALITY_BLOCKS))
        signer.settle = told  # type: ignore[method-assign]
        ledger = self._reopened(ledger, path)
        chain.count = 1
        again = desk(ledger, chain, simulator, signer)
        await again.start()
        await again.on_block(block(12 + FINALITY_BLOCKS))
        assert signer.settled == [
            Settle(f"{sent.intent.id}:{cycle().id}", receipt.gas_cost_wei, cycle().expected_profit_wei)
        ]
        ledger.close()
