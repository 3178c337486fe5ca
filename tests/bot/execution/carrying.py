"""One plan carried to the scripted chain, and what that chain makes of it."""

from __future__ import annotations

from bot.execution.transactions import Sent, TransactionDesk
from bot.ledger.ledger import Ledger
from bot.plan import Plan
from bot.reasons import Refusal
from bot.simulator.verdict import Verdict
from chains.assets import Address
from chains.blocks import Block, Log, Receipt
from chains.pools.words import word
from tests.bot.execution.given import (
    EXECUTOR,
    INVENTORY,
    POOL,
    head,
    moved,
)
from tests.bot.execution.scripted import (
    GAS_USED,
)
from tests.bot.ledger.given import ETHER, GWEI, hash_of
from tests.bot.market.samples import WETH


async def carried(on: TransactionDesk, ledger: Ledger, plan: Plan, number: int = 10) -> Sent | Refusal:
    """`plan` carried as far as it gets on block `number`."""
    ledger.record_plan(plan)
    prepared = on.prepare(plan, head(number))
    verdict = await on.verdict(prepared, head(number))
    return await on.submit(prepared, verdict, head(number)) if isinstance(verdict, Verdict) else verdict


async def must_be_sent(on: TransactionDesk, ledger: Ledger, plan: Plan, number: int = 10) -> Sent:
    sent = await carried(on, ledger, plan, number)
    assert isinstance(sent, Sent), sent
    return sent


def gains(plan: Plan, sent: Sent, number: int, *, short: int = 0, block: str | None = None, index: int = 3) -> Receipt:
    """The receipt of a cycle that gained what it planned, less `short`."""
    gain = plan.expected_profit_wei - short
    logs = (
        moved(WETH, POOL.address, EXECUTOR, ETHER + gain),
        moved(WETH, EXECUTOR, POOL.address, ETHER),
    )
    return Receipt(sent.tx_hash, number, block or head(number).hash, index, 1, GAS_USED, 3 * GWEI, logs)


def trades(plan: Plan, sent: Sent, number: int) -> Receipt:
    """The receipt of an exchange that was as planned."""
    first, last = plan.swaps[0], plan.swaps[-1]
    logs = (
        moved(first.token_in, INVENTORY, first.hop.pool, first.amount_in),
        moved(last.token_out, last.hop.pool, INVENTORY, last.amount_out),
    )
    return Receipt(sent.tx_hash, number, head(number).hash, 3, 1, GAS_USED, 3 * GWEI, logs)


def reverts(sent: Sent, number: int) -> Receipt:
    return Receipt(sent.tx_hash, number, head(number).hash, 3, 0, GAS_USED, 3 * GWEI, ())


def block(number: int, *logs: Log) -> Block:
    return Block(head(number), logs)


def touch(number: int, *, index: int, pool: Address = POOL.address) -> Log:
    """Somebody's swap in `pool`."""
    return Log(pool, (word(1),), b"", number, head(number).hash, hash_of("other", index), index, 0)
