"""Who is right: the true chain. Every block is walked, and the bot's ledger and its decisions are held against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Account, Intent
from bot.ledger.states import AttemptKind, IntentState, MinedAs
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, address
from chains.pools.constant_product import ConstantProductPool
from tests.chains.pools.contracts import call_data
from tests.contracts.market import OPERATOR
from tests.faults.bot import Bot, Decided
from tests.faults.chain import TrueChain
from tests.faults.marked import mark_of

STALE_BLOCKS = 2
STALE_S = 2.0
"""A decision is stale on a block further below the true tip than that, if the bot had that long to learn of it."""

_LANDED = {IntentState.MINED, IntentState.FINAL, IntentState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong action: which rule it broke, and how."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


async def judge(chain: TrueChain, bot: Bot) -> list[Wrong]:
    """Every wrong action of `bot`, whose run must be over."""
    landed = [
        tx for block in await chain.canonical() for tx in block["transactions"] if address(tx["from"]) == OPERATOR
    ]
    receipts = {tx["hash"]: await chain.anvil.rpc("eth_getTransactionReceipt", tx["hash"]) for tx in landed}
    intents = _intents(bot.ledger)
    return [
        *_twice(landed),
        *_unknown_to_the_ledger(bot.ledger, intents, receipts),
        *_told_otherwise(bot.ledger, intents, receipts),
        *[wrong async for wrong in _balances_differ(chain.anvil, bot.ledger)],
        *(wrong for decided in bot.decided for wrong in _misled(chain, decided)),
    ]


def _intents(ledger: Ledger) -> list[Intent]:
    with ledger.read() as connection:
        ids = connection.execute(select(IntentRow.id)).scalars().all()
    return [ledger.intent(intent_id) for intent_id in ids]


def _twice(landed: Iterable[Mapping[str, Any]]) -> Iterator[Wrong]:
    """A plan is carried out once at most."""
    counts = Counter(mark_of(bytes.fromhex(tx["input"][2:])) for tx in landed)
    for mark, count in counts.items():
        if mark is not None and count > 1:
            yield Wrong("sent twice", f"plan {mark} is on the chain {count} times")


def _unknown_to_the_ledger(ledger: Ledger, intents: Iterable[Intent], landed: Iterable[str]) -> Iterator[Wrong]:
    """What is on the chain is in the ledger, and was not given up there."""
    sent = [intent for intent in intents if intent.state is not IntentState.RELEASED]
    known = {attempt.tx_hash for intent in sent for attempt in ledger.attempts(intent.id)}
    for tx_hash in landed:
        if tx_hash not in known:
            yield Wrong("not in the ledger", f"{tx_hash} is on the chain")


def _told_otherwise(
    ledger: Ledger, intents: Iterable[Intent], receipts: Mapping[str, Mapping[str, Any]]
) -> Iterator[Wrong]:
    """What the ledger says of an intent is what the chain says."""
    for intent in intents:
        landed = [attempt for attempt in ledger.attempts(intent.id) if attempt.tx_hash in receipts]
        on_chain = [receipts[attempt.tx_hash] for attempt in landed]
        if not on_chain:
            if intent.state in _LANDED:
                yield Wrong("ledger", f"intent {intent.id} is {intent.state} and on no block of the chain")
            elif intent.state is not IntentState.RELEASED:
                yield Wrong("stuck", f"intent {intent.id} is {intent.state}, and its bytes never came to the chain")
            continue
        (receipt,) = on_chain
        mined_as = MinedAs.OK if receipt["status"] == "0x1" else MinedAs.REVERTED
        mined_as = MinedAs.NOOP if landed[0].kind is AttemptKind.NOOP else mined_as
        said = (intent.state in _LANDED, intent.block_hash, intent.mined_as)
        if said != (True, receipt["blockHash"], mined_as):
            yield Wrong(
                "ledger",
                f"intent {intent.id} is {intent.state} {said[1:]}, on the chain {mined_as} in {receipt['blockHash']}",
            )


async def _balances_differ(anvil: Anvil, ledger: Ledger) -> AsyncIterator[Wrong]:
    """Every account holds what the ledger says, to the wei."""
    for account, booked in ledger.accounts().items():
        held = await _held(anvil, account)
        if held != booked:
            yield Wrong("balance", f"{account} holds {held}, by the ledger {booked}: {held - booked:+d}")


async def _held(anvil: Anvil, account: Account) -> int:
    if account.token == ZERO_ADDRESS:
        return int(await anvil.rpc("eth_getBalance", account.owner, "latest"), 16)
    call = {"to": account.token, "data": call_data("balanceOf(address)", account.owner)}
    return int(await anvil.rpc("eth_call", call, "latest"), 16)


def _misled(chain: TrueChain, decided: Decided) -> Iterator[Wrong]:
    """What was signed for was decided on a block of the true chain, a recent one, in the state it left."""
    plan = decided.plan
    known = chain.known.get(plan.block_hash)
    if known is None:
        yield Wrong("no such block", f"{plan.note} was decided on {plan.block_number} {plan.block_hash}")
        return
    if decided.tip - known.number > STALE_BLOCKS and decided.overtaken_for_s > STALE_S:
        behind = f"the tip was {decided.tip}, for {decided.overtaken_for_s:.1f} s above it"
        yield Wrong("stale", f"{plan.note} was decided on block {known.number} when {behind}")
    for swap in plan.swaps:
        reserves = known.reserves[swap.hop.pool]
        facts = next(facts for facts in chain.setting.pools if facts.address == swap.hop.pool)
        true = ConstantProductPool(facts.address, (facts.tokens[0], facts.tokens[1]), reserves, facts.fee_ppm)
        out = true.quote(swap.token_in, swap.amount_in)
        if out != swap.amount_out:
            yield Wrong(
                "wrong state", f"{plan.note} counted on {swap.amount_out} from {facts.address}, which would give {out}"
            )
