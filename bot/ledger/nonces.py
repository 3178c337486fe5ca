"""The nonces the journal gives out: contiguous from what the chain counted when the bot took a sender over."""

from __future__ import annotations

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from bot.ledger import quick
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.models import IntentRow, SenderRow
from bot.ledger.results import Results
from bot.ledger.states import IN_FLIGHT, IntentState
from bot.ledger.store import changing
from chains.assets import Address

_INSTANCE: BindParameter[str] = bindparam("instance")
_SENDER: BindParameter[str] = bindparam("sender")
_FIRST_NONCE = select(SenderRow.first_nonce).where(SenderRow.instance == _INSTANCE, SenderRow.sender == _SENDER)
_HIGHEST_NONCE = select(func.max(IntentRow.nonce)).where(
    IntentRow.instance == _INSTANCE,
    IntentRow.sender == _SENDER,
    IntentRow.state != IntentState.RELEASED.value,
)
_OPEN = [state.value for state in (*IN_FLIGHT, IntentState.MINED)]
_TABLES = (SenderRow, IntentRow)
_FIRST_AND_HIGHEST = select(_FIRST_NONCE.scalar_subquery(), _HIGHEST_NONCE.scalar_subquery())


_CHANGE = changing(
    SenderRow, SenderRow.instance == bindparam("of_instance"), SenderRow.sender == bindparam("of_sender")
)


class Nonces(Results):
    """Which nonce comes next. Only a released intent gives its own back."""

    def set_first_nonce(self, sender: Address, chain_nonce: int, *, restored: bool = False) -> bool:
        """Takes over `sender`, given how many transactions the chain counts for it; whether it could be.

        Transactions the journal does not know are skipped with a warning while nothing is in flight, and where it was
        `restored`: what its copy knew as in flight has been decided since. Otherwise nothing changes, because one of
        them may have a nonce of what is in flight. Raises `LedgerError` when the chain counts fewer than the ledger
        has given out.
        """
        with self._write() as connection:
            mine = (SenderRow.instance == self.run.instance, SenderRow.sender == sender)
            if connection.execute(select(SenderRow.first_nonce).where(*mine)).first() is None:
                self._insert(connection, SenderRow, instance=self.run.instance, sender=sender, first_nonce=chain_nonce)
                return True
            expected = self._next_nonce(connection, sender)
            of_sender = (IntentRow.instance == self.run.instance, IntentRow.sender == sender)
            found = connection.execute(select(IntentRow.state).where(*of_sender, IntentRow.state.in_(_OPEN)).distinct())
            waiting = {IntentState(state) for (state,) in found}
            highest = self._highest_nonce(connection, sender)
            if not waiting and (0 if highest is None else highest + 1) <= chain_nonce < expected:
                # Nothing of ours has those nonces: they were a node's mistake, or of a block that is no more.
                self._skip_to(connection, sender, chain_nonce)
                return True
            if chain_nonce < expected and not waiting:
                raise LedgerError(
                    f"{sender} has sent {chain_nonce} transactions by the chain and {expected} by the ledger; "
                    "the ledger belongs to another chain"
                )
            if chain_nonce <= expected:
                return True
            if waiting & IN_FLIGHT and not restored:
                return False
            self._skip_to(connection, sender, chain_nonce)
            detail = f"{sender} sent {chain_nonce - expected} transactions that are not in the ledger"
            self._keep_event(connection, Level.WARNING, "foreign_transactions", detail)
            return True

    def next_nonce(self, sender: Address) -> int:
        """The nonce `reserve` will give. Raises `LedgerError` before `set_first_nonce`."""
        return self.remembered(("nonce", sender), lambda connection: self._next_nonce(connection, sender), _TABLES)

    def _skip_to(self, connection: Connection, sender: Address, nonce: int) -> None:
        of = {"of_instance": self.run.instance, "of_sender": sender}
        self._change(connection, _CHANGE, **of, first_nonce=nonce)

    def _highest_nonce(self, connection: Connection, sender: str) -> int | None:
        wanted = {"instance": self.run.instance, "sender": sender}
        ((highest,),) = quick.rows(connection, _HIGHEST_NONCE, wanted)
        return highest  # type: ignore[no-any-return]

    def _next_nonce(self, connection: Connection, sender: str) -> int:
        wanted = {"instance": self.run.instance, "sender": sender}
        ((first_nonce, highest),) = quick.rows(connection, _FIRST_AND_HIGHEST, wanted)
        if first_nonce is None:
            raise LedgerError(f"{sender} has no first nonce; call set_first_nonce with the chain's count at start")
        return int(first_nonce if highest is None else max(first_nonce, highest + 1))
