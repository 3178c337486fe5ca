"""Stuck transactions, spikes of the base fee and relays that break their word, with real contracts on a real chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.execution.submission import Moved
from bot.execution.transactions import TransactionDesk
from bot.ledger.records import Attempt, Intent
from bot.ledger.states import AttemptKind, IntentState, MinedAs
from bot.signer.key import SigningKey
from chains.blocks import Head
from chains.relays import RelayKind
from chains.relays.destinations import MEMPOOL
from tests.bot.execution.stage import FEE_CAP_WEI, TIP_CAP_WEI, open_stage
from tests.chains.relays.local import Breach
from tests.faults.bot import SECRET
from tests.faults.chain import GWEI
from tests.faults.geth import Pooled

BLOCKS_TO_HOME = 8
"""Within how many blocks of a fee spike a transaction is included or cancelled."""


class MovesOnBadly(TransactionDesk):
    """Goes on in its own way with what no block has taken."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._home._move_on = self._moves_on  # type: ignore[method-assign]

    async def _moves_on(self, intent: Intent, attempts: Sequence[Attempt], head: Head) -> Moved:
        raise NotImplementedError


class BumpsOneFee(MovesOnBadly):
    """Raises what it pays at most, and leaves the tip as it was."""

    async def _moves_on(self, intent: Intent, attempts: Sequence[Attempt], head: Head) -> Moved:
        raised = replace(self._in_flight.transactions[intent.id], max_fee_wei=FEE_CAP_WEI)
        await self._submitter.send_raw(SigningKey(SECRET).sign(raised).raw)
        return Moved()


class TakesTheNextNonce(MovesOnBadly):
    """Tries again as a new transaction, behind the one that is stuck."""

    async def _moves_on(self, intent: Intent, attempts: Sequence[Attempt], head: Head) -> Moved:
        again = replace(self._in_flight.transactions[intent.id], nonce=intent.nonce + 1, max_fee_wei=FEE_CAP_WEI)
        await self._submitter.send_raw(SigningKey(SECRET).sign(again).raw)
        return Moved()


async def _through_a_spike(
    folder: Path, base_fee_gwei: int, desk: type[TransactionDesk] = TransactionDesk
) -> tuple[int, list[str], list[tuple[AttemptKind, int, int]]]:
    """Blocks until nothing is in flight, what is wrong then, and what was offered."""
    async with open_stage(folder, desk=desk) as stage:
        sent = await stage.send()
        stage.blocks.base_fee_wei = base_fee_gwei * GWEI
        taken = await stage.home(BLOCKS_TO_HOME + 1)
        stage.blocks.base_fee_wei = GWEI
        await stage.advance(2)
        offers = [
            (attempt.kind, attempt.fees.max_fee_wei, attempt.fees.tip_wei)
            for attempt in stage.ledger.attempts(sent.intent.id)
        ]
        return taken, await stage.wrongs(), offers


@pytest.mark.parametrize("base_fee_gwei", [40, 190])
async def test_through_a_spike_of_the_base_fee_it_is_included_or_cancelled_in_eight_blocks_within_the_caps(
    tmp_path: Path, base_fee_gwei: int
) -> None:
    taken, wrongs, offers = await _through_a_spike(tmp_path, base_fee_gwei)
    assert taken <= BLOCKS_TO_HOME and wrongs == []
    assert len(offers) > 1 and all(fee <= FEE_CAP_WEI and tip <= TIP_CAP_WEI for _, fee, tip in offers)


async def test_beyond_the_cap_nothing_is_overpaid_and_it_comes_home_when_the_spike_is_over(tmp_path: Path) -> None:
    taken, wrongs, offers = await _through_a_spike(tmp_path, 210)
    assert taken == BLOCKS_TO_HOME + 1 and wrongs == []
    assert all(fee <= FEE_CAP_WEI for _, fee, _ in offers)


@pytest.mark.parametrize("base_fee_gwei", [30, 60])
async def test_what_a_node_has_lost_for_long_comes_home_however_dear_gas_became_within_what_is_reserved(
    tmp_path: Path, base_fee_gwei: int
) -> None:
    """At 60 gwei a NOOP that survives the base fee doubling would cost more than that."""
    async with open_stage(tmp_path) as stage:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(stage.blocks, "_taken", _lost)
            sent = await stage.send()
            await stage.advance(30)
        stage.blocks.base_fee_wei = base_fee_gwei * GWEI
        taken = await stage.home(BLOCKS_TO_HOME + 1)
        assert taken <= BLOCKS_TO_HOME
        intent = stage.ledger.intent(sent.intent.id)
        assert intent.mined_as is MinedAs.NOOP
        fees = stage.ledger.attempts(intent.id)[-1].fees
        assert fees.worst_cost_wei <= intent.worst.loss_wei
        assert await stage.wrongs() == []


async def _lost(raw: str) -> str:
    """A node's yes to what it forgets at once."""
    return Pooled.read(raw).tx_hash


@pytest.mark.parametrize("twin", [BumpsOneFee, TakesTheNextNonce])
async def test_a_desk_with_one_mistake_does_not_come_through_the_same_spike(
    tmp_path: Path, twin: type[TransactionDesk]
) -> None:
    taken, wrongs, _ = await _through_a_spike(tmp_path, 40, twin)
    assert taken > BLOCKS_TO_HOME or wrongs


@pytest.mark.parametrize("send_to", [(MEMPOOL,), ("relay",), (MEMPOOL, "relay")], ids="+".join)
async def test_what_is_sent_lands_once_wherever_it_goes(tmp_path: Path, send_to: tuple[str, ...]) -> None:
    async with open_stage(tmp_path, send_to) as stage:
        sent = await stage.send()
        assert bool(stage.blocks.waiting) is (MEMPOOL in send_to)
        await stage.advance()
        intent = stage.ledger.intent(sent.intent.id)
        assert (intent.state, intent.mined_as) == (IntentState.MINED, MinedAs.OK)
        assert await stage.wrongs() == []


@pytest.mark.parametrize(
    ("breach", "kind", "ends"),
    [
        (Breach.LOST, RelayKind.BUNDLE, {MinedAs.NOOP}),
        (Breach.LATE, RelayKind.BUNDLE, {MinedAs.NOOP, MinedAs.REVERTED}),
        (Breach.UNBUNDLED, RelayKind.BUNDLE, {MinedAs.OK, MinedAs.NOOP}),
        (Breach.LEAKED, RelayKind.BUNDLE, {MinedAs.OK}),
        (Breach.EQUIVOCATION, RelayKind.BUNDLE, {MinedAs.OK, MinedAs.NOOP}),
        (Breach.LATE, RelayKind.PRIVATE, {MinedAs.OK, MinedAs.NOOP, MinedAs.REVERTED}),
    ],
)
async def test_a_relay_that_breaks_its_word_moves_no_principal_and_nothing_lands_twice(
    tmp_path: Path, breach: Breach, kind: RelayKind, ends: set[MinedAs]
) -> None:
    async with open_stage(tmp_path, ("relay",), kind) as stage:
        stage.relay.breach = breach
        sent = [await stage.send(), await stage.send()]
        assert await stage.home() < 2 * BLOCKS_TO_HOME
        await stage.advance(6)
        assert {stage.ledger.intent(each.intent.id).mined_as for each in sent} <= ends
        assert await stage.wrongs() == []


async def test_each_transaction_of_a_bundle_is_safe_alone_reordered_and_late(tmp_path: Path) -> None:
    """The second is decided behind the first. Each by itself gains what it must, or reverts for its gas."""
    async with open_stage(tmp_path, ("relay",)) as stage:
        first, second = await stage.send(), await stage.send()
        raws = [stage.ledger.attempts(sent.intent.id)[-1].raw for sent in (first, second)]
        one, other = ("0x" + raw.hex() for raw in raws)
        for order in ((one,), (one, other), (other, one)):
            snapshot = await stage.blocks.anvil.rpc("evm_snapshot")
            for _ in range(6 if order == (other, one) else 0):
                await stage.blocks.mine()
            await stage.blocks.mine_alone(*order)
            for (owner, token), units in stage.began.items():
                assert await stage._held(owner, token) >= units
            await stage.blocks.anvil.rpc("evm_revert", snapshot)
