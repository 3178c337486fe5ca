"""The clients speak what relays understand, and the stand-in keeps its word, or breaks it, as it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest.mock import AsyncMock

import pytest

from chains.anvil import RpcError
from chains.node.errors import Unreachable
from chains.node.sending import SendStatus
from chains.relays import Bundle, Hint, Mempool, Relay, RelayClient, RelayKind, SearcherIdentity, Window
from tests.chains.relays.local import Breach, LocalRelay
from tests.faults.geth import Pooled
from tests.faults.test_geth import GWEI, signed

NEXT = Window(1, 1)


@pytest.fixture
async def client(relay: LocalRelay) -> AsyncIterator[RelayClient]:
    async with RelayClient(relay.url, SearcherIdentity.create()) as client:
        yield client


def raw(nonce: int = 0, max_fee_wei: int = 20 * GWEI, tip_wei: int = GWEI) -> bytes:
    return bytes.fromhex(signed(nonce, max_fee_wei, tip_wei)[2:])


def hash_of(transaction: bytes) -> str:
    return Pooled.read("0x" + transaction.hex()).tx_hash


async def landed(relay: LocalRelay, transaction: bytes) -> int | None:
    """The block it stands in."""
    receipt = await relay.blocks.receipt(hash_of(transaction))
    return receipt.block_number if receipt is not None else None


@pytest.mark.parametrize("kind", list(RelayKind))
async def test_every_kind_of_relay_lands_a_transaction_unseen_in_its_window(
    relay: LocalRelay, client: RelayClient, kind: RelayKind
) -> None:
    destination = Relay("local", kind, client, (Hint.HASH,))
    outcome = await destination.send(raw(), NEXT)
    assert outcome.status is SendStatus.ACCEPTED and outcome.tx_hash == hash_of(raw())
    assert not relay.blocks.waiting, "nothing of it is public"
    await relay.mine()
    assert await landed(relay, raw()) == 1


@pytest.mark.parametrize("kind", [RelayKind.BUNDLE, RelayKind.PRIVATE])
async def test_what_is_withdrawn_does_not_land(relay: LocalRelay, client: RelayClient, kind: RelayKind) -> None:
    destination = Relay("local", kind, client)
    await destination.send(raw(), Window(1, 3))
    await destination.withdraw(raw(), Window(1, 3))
    for _ in range(3):
        await relay.mine()
    assert await landed(relay, raw()) is None


async def test_a_bundle_is_only_for_its_blocks_and_is_sent_twice_without_standing_twice(
    relay: LocalRelay, client: RelayClient
) -> None:
    destination = Relay("local", RelayKind.BUNDLE, client)
    for _ in range(2):
        await destination.send(raw(), Window(2, 3))
    assert [held.block for held in relay.held] == [2, 3]
    await relay.mine()
    assert await landed(relay, raw()) is None
    await relay.mine()
    assert await landed(relay, raw()) == 2


async def test_a_bundle_stands_whole_or_not_at_all(relay: LocalRelay, client: RelayClient) -> None:
    await client.send_bundle(Bundle((raw(0), raw(2)), 1))
    await client.send_bundle(Bundle((raw(0), raw(1)), 2))
    await relay.mine()
    assert await landed(relay, raw(0)) is None
    await relay.mine()
    assert [await landed(relay, raw(nonce)) for nonce in (0, 1)] == [2, 2]


async def test_a_bundle_is_simulated_and_nothing_stays_of_it(relay: LocalRelay, client: RelayClient) -> None:
    simulated = await client.call_bundle([raw(0), raw(1)], 1)
    assert (simulated.gas_used, simulated.paid_wei, simulated.reverted) == (42_000, 42_000 * GWEI, ())
    await relay.mine()
    assert await landed(relay, raw()) is None


async def test_an_empty_bundle_is_a_refusal_that_shows_that_the_signature_was_accepted(
    relay: LocalRelay, client: RelayClient
) -> None:
    with pytest.raises(RpcError, match="bundle missing txs"):
        await client.call_bundle([], 1)
    assert len(relay.signers) == 1


async def test_who_does_not_sign_is_refused(relay: LocalRelay) -> None:
    async with RelayClient(relay.url, None) as client:
        with pytest.raises(RpcError, match="signature"):
            await client.call_bundle([], 1)
        outcome = await Relay("local", RelayKind.BUNDLE, client).send(raw(), NEXT)
        assert outcome.status is SendStatus.UNKNOWN


async def test_bundles_are_refused_only_where_none_of_them_may_have_been_taken(
    client: RelayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, lost = RpcError("eth_sendBundle", -32000, "insufficient funds for gas"), Unreachable("no answer")
    for said, expected in (
        ([refused, refused, refused], SendStatus.REFUSED),
        ([refused, lost, refused], SendStatus.UNKNOWN),
        ([refused, lost, "0x1"], SendStatus.ACCEPTED),
    ):
        monkeypatch.setattr(client, "send_bundle", AsyncMock(side_effect=said))
        outcome = await Relay("local", RelayKind.BUNDLE, client).send(raw(), Window(1, 3))
        assert outcome.status is expected and outcome.tx_hash == hash_of(raw())


async def test_a_relay_that_is_gone_leaves_the_outcome_unknown(relay: LocalRelay, client: RelayClient) -> None:
    await relay.__aexit__()
    relay._runner = None
    outcome = await Relay("local", RelayKind.BUNDLE, client).send(raw(), NEXT)
    assert outcome.status is SendStatus.UNKNOWN
    with pytest.raises(Unreachable):
        await client.call_bundle([], 1)
    await relay.__aenter__()


async def test_the_pool_beside_it_keeps_geths_rules(relay: LocalRelay) -> None:
    mempool = Mempool(relay.blocks.send_raw)
    assert (await mempool.send(raw(), NEXT)).status is SendStatus.ACCEPTED
    assert (await mempool.send(raw(), NEXT)).status is SendStatus.ALREADY_KNOWN
    refused = await mempool.send(raw(0, 21 * GWEI, 2 * GWEI), NEXT)
    assert refused.status is SendStatus.REFUSED and refused.cause == "replacement_underpriced"
    relay.blocks.base_fee_wei = 30 * GWEI
    await relay.mine()
    assert await landed(relay, raw()) is None, "it does not pay for the block"
    relay.blocks.base_fee_wei = GWEI
    await relay.mine()
    assert await landed(relay, raw()) == 2


@pytest.mark.parametrize(
    ("breach", "blocks"),
    [
        (Breach.LOST, [None, None]),
        (Breach.LATE, [5, 5]),
        (Breach.LEAKED, [1, 1]),
        (Breach.UNBUNDLED, [1, 2]),
        (Breach.EQUIVOCATION, [1, None]),
    ],
)
async def test_a_relay_breaks_its_word_as_it_is_told(
    relay: LocalRelay, client: RelayClient, breach: Breach, blocks: list[int | None]
) -> None:
    """Reversed in the block that takes its place, the second comes before its nonce's turn, and stays out."""
    relay.breach = breach
    await client.send_bundle(Bundle((raw(0), raw(1)), 1))
    heads = [head for _ in range(5) for head in await relay.mine()]
    assert [await landed(relay, raw(nonce)) for nonce in (0, 1)] == blocks
    assert len(heads) == (6 if breach is Breach.EQUIVOCATION else 5)
