"""Who is right once everything is home: the chain, held against the ledger of a bot that may have died many times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select

from bot.clock import SystemClock
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Intent
from bot.ledger.states import IntentState
from bot.rpc import HttpRpc
from chains.assets import address
from tests.road.lasting import Lasting


@contextmanager
def ledger_of(on: Lasting) -> Iterator[Ledger]:
    """The bot's ledger, beside the bot. Raises `LedgerError` while there is none."""
    ledger = Ledger.view(str(on.ledger), SystemClock())
    try:
        ledger.attach()
        yield ledger
    finally:
        ledger.close()


def sent_intents(ledger: Ledger) -> list[Intent]:
    """Every intent whose bytes may have left, of all runs."""
    with ledger.read() as connection:
        ids = connection.execute(select(IntentRow.id)).scalars().all()
    found = [ledger.intent(intent_id) for intent_id in ids]
    return [intent for intent in found if intent.state is not IntentState.RELEASED]


async def wrong_with(on: Lasting) -> list[str]:
    """What is open, doubled, unknown or lost, one line each; nothing when ledger and chain tell the same."""
    landed = await _landed(on)
    with ledger_of(on) as ledger:
        intents = sent_intents(ledger)
        attempts = {intent.id: {attempt.tx_hash for attempt in ledger.attempts(intent.id)} for intent in intents}
        wrong = [f"intent {intent.id} is still {intent.state}" for intent in ledger.open_intents()]
        wrong += [f"order {order.client_id} is still {order.state}" for order in ledger.open_orders()]
    wrong += _doubled("nonce", [f"{intent.nonce} of {intent.sender}" for intent in intents])
    wrong += _doubled("plan", [intent.plan_id for intent in intents])
    wrong += _doubled("transaction", landed)
    known = {tx_hash for hashes in attempts.values() for tx_hash in hashes}
    wrong += [f"{tx_hash} is on the chain and not in the ledger" for tx_hash in landed if tx_hash not in known]
    # One that came too late was outbid or cancelled with its own nonce: of its attempts one is there.
    for intent_id, hashes in attempts.items():
        there = len(hashes & set(landed))
        if there != 1:
            wrong.append(f"intent {intent_id} is on the chain {there} times")
    return wrong


def _doubled(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} {name} was used {count} times" for name, count in Counter(names).items() if count > 1]


async def _landed(on: Lasting) -> list[str]:
    """The hashes of the operators' transactions in every block since the twin opened."""
    async with HttpRpc(on.twin.descriptor["rpc_http"]) as rpc:
        tip = int(await rpc.rpc("eth_blockNumber"), 16)
        first = int(on.twin.descriptor["block"]) + 1
        blocks = [await rpc.rpc("eth_getBlockByNumber", hex(number), True) for number in range(first, tip + 1)]
        count = sum([int(await rpc.rpc("eth_getTransactionCount", who, "latest"), 16) for who in on.operators])
    mine = [tx["hash"] for block in blocks for tx in block["transactions"] if address(tx["from"]) in on.operators]
    assert len(mine) == count, f"the operators' nonces come to {count}, and {len(mine)} transactions were found"
    return mine
