"""Before the first new intent of a ledger that has a past: its books are held against the chain and the exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bot.balances import CurrencyReader, at_exchanges
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reading import has_past
from bot.ledger.records import Account
from bot.risk.proof import StateReader, prove
from chains.blocks import Block, Head


class Settling(Protocol):
    """The part of the transaction desk that books what was mined meanwhile."""

    async def on_block(self, block: Block) -> object: ...


async def require_reconciled(
    ledger: Ledger, node: StateReader, exchanges: Mapping[str, CurrencyReader], desk: Settling, head: Head
) -> None:
    """Raises `LedgerError` when money is missing that the books say is there; of a restored ledger, when they differ.

    What is in flight is not known yet at a plain restart: then the watch over the run proves the books once it is.
    """
    restored = ledger.was_restored
    if restored:
        await desk.on_block(Block(head, ()))
    elif not has_past(ledger) or ledger.open_intents():
        return
    network = ledger.run.network
    booked = ledger.accounts()
    proof = await prove({it: units for it, units in booked.items() if it.place == network}, node, head.hash)
    wrong = dict(proof.missing)
    if restored:
        wrong |= proof.unexpected
        wrong |= await _differences({it: units for it, units in booked.items() if it.place != network}, exchanges)
    if wrong:
        told = "; ".join(f"{account}: {units} units" for account, units in wrong.items())
        raise LedgerError(
            f"ledger: it differs from what is really there ({told}); nothing is traded on it: see `isthmus reconcile`, "
            "and book what is explained with `isthmus reconcile --book REASON`"
        )
    ledger.mark_reconciled()


async def _differences(booked: Mapping[Account, int], exchanges: Mapping[str, CurrencyReader]) -> dict[Account, int]:
    ask = at_exchanges(exchanges)
    held = {account: await ask(account) for account in booked}
    return {account: abs(held[account] - units) for account, units in booked.items() if held[account] != units}
