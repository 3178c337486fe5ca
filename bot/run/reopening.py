"""Before the first new intent of a ledger that has a past: its books are held against the chain and the exchanges."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bot.balances import CurrencyReader, FinalReader, at_exchanges
from bot.config.strategies import UnknownStrategy
from bot.ledger.errors import LedgerError
from bot.ledger.finality import books_at
from bot.ledger.ledger import Ledger
from bot.ledger.reading import has_past
from bot.ledger.reconcile import UnknownPlace
from bot.ledger.records import Account
from bot.ledger.states import IN_FLIGHT, Exposure
from bot.risk.proof import prove
from chains.blocks import Head
from chains.node.errors import NoArchive


def require_named(ledger: Ledger, books: Collection[tuple[str, str]], strategies: Collection[str]) -> None:
    """Raises `UnknownPlace` when a trade is open whose other side is to come at a book, by exchange and symbol, that is
    none of `books`: nobody could be asked about its order there, and none could be placed. `UnknownStrategy` when it is
    that of none of `strategies`: without its budget nothing may take it back.
    """
    for intent in ledger.open_intents():
        in_flight = intent.state in IN_FLIGHT and intent.exposure is not Exposure.BY_HAND
        if not in_flight and intent.exposure is not Exposure.OWED:
            continue
        orders = ledger.plan(intent.plan_id).orders
        if orders and intent.strategy not in strategies:
            raise UnknownStrategy(
                f"intent {intent.id} of {intent.strategy} is open, and its other side is to come; name that strategy "
                f"under strategies again until it has; `isthmus flatten {intent.strategy}` lets it begin nothing else"
            )
        for order in orders:
            if (order.exchange, order.symbol) not in books:
                raise UnknownPlace(
                    f"intent {intent.id} of {intent.strategy} is open, and its other side comes at {order.exchange}, "
                    f"{order.symbol}; name both under [[exchanges]] again, with its key, until it has come; where it "
                    f"is traded there no more, see to it by hand, and say so: `isthmus orders waive {intent.id}`"
                )


async def require_reconciled(
    ledger: Ledger, node: FinalReader, exchanges: Mapping[str, CurrencyReader], head: Head
) -> None:
    """Raises `LedgerError` when money is missing that the books say is there; of a restored ledger, when they differ.

    What was mined meanwhile has been booked. The books are held against the newest block that nothing can undo, and
    against `head` where nothing is in flight, which alone counts where no node has that block's state; and, where
    nothing is open at all, against those of `exchanges`: a withdrawal by hand that is not booked would be counted on
    for hedges. Raises `ExchangeUnavailable`, and what the node raises.
    """
    restored = ledger.was_restored
    if not restored and not has_past(ledger):
        return
    network = ledger.run.network
    booked = ledger.accounts()
    proofs = []
    final = await node.finalized_head()
    books = books_at(ledger, final.number) if final.number <= head.number else None
    in_flight = any(intent.state in IN_FLIGHT for intent in ledger.open_intents())
    if books is not None:
        try:
            proofs.append(await prove(books.booked, node, final.hash))
        except NoArchive:
            if in_flight:
                raise
    if restored or not in_flight:
        on_chain = {it: units for it, units in booked.items() if it.place == network}
        proofs.append(await prove(on_chain, node, head.hash))
    wrong = {account: units for proof in proofs for account, units in proof.missing.items()}
    if restored:
        wrong |= {account: units for proof in proofs for account, units in proof.unexpected.items()}
        off_chain = {it: units for it, units in booked.items() if it.place != network}
        wrong |= {account: abs(units) for account, units in (await _beyond(off_chain, exchanges)).items()}
    elif not ledger.open_intents() and not ledger.open_orders():
        named = {it: units for it, units in booked.items() if it.place in exchanges and it.place != network}
        wrong |= {account: -units for account, units in (await _beyond(named, exchanges)).items() if units < 0}
    if wrong:
        told = "; ".join(f"{account}: {units} units" for account, units in wrong.items())
        raise LedgerError(
            f"ledger: it differs from what is really there ({told}); nothing is traded on it: see `isthmus reconcile`, "
            "and book what is explained with `isthmus reconcile --book REASON`"
        )
    ledger.mark_reconciled()


async def _beyond(booked: Mapping[Account, int], exchanges: Mapping[str, CurrencyReader]) -> dict[Account, int]:
    """What differs, in base units that are there beyond the books."""
    ask = at_exchanges(exchanges)
    held = {account: await ask(account) for account in booked}
    return {account: held[account] - units for account, units in booked.items() if held[account] != units}
