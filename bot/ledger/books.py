"""The books: double entry in base units, opening marks, balances. Every group of postings sums to zero per token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from bot.ledger import accounts
from bot.ledger.book_models import BalanceRow, EntryRow, MarkRow, PostingRow
from bot.ledger.decisions import Decisions
from bot.ledger.holdings import Holdings
from bot.ledger.pnl import Marks, marks_of
from bot.ledger.records import Account, Mark, Posting


class Books(Decisions):
    """Postings and what they add up to."""

    _holdings: Holdings | None = None
    _opening: tuple[int, Marks] | None = None

    def open_account(self, account: Account, units: int) -> None:
        """Posts the opening balance of `account`. An account that was opened before keeps what the ledger says."""
        with self._write() as connection:
            opened = select(PostingRow.id).where(*self._lines_of(account)).limit(1)
            if connection.execute(opened).first() is not None:
                return
            # A balance of nothing is posted too: it says that the account is ours to reconcile.
            lines = [
                accounts.asset(account, units),
                Posting(accounts.OPENING, account.place, account.token, -units),
            ]
            self._post(connection, "opening", lines, source=str(account), read_at_block=self._block_number)

    def set_marks(self, marks: Iterable[Mark]) -> None:
        """Fixes this run's opening prices. The native coin of a network needs one where it is not ETH."""
        self._opening = None
        with self._write() as connection:
            for mark in marks:
                self._insert(
                    connection,
                    MarkRow,
                    run_id=self.run.id,
                    place=mark.place,
                    token=mark.token,
                    numerator=mark.wei_per_unit.numerator,
                    denominator=mark.wei_per_unit.denominator,
                )

    def post(self, kind: str, postings: Sequence[Posting], source: str) -> None:
        """Any other movement, such as a deposit against `accounts.EXTERNAL`, as of this head. Raises `Unbalanced`."""
        with self._write() as connection:
            self._post(connection, kind, postings, source=source, read_at_block=self._block_number)

    def balance(self, account: Account) -> int:
        """What the ledger says `account` holds, in base units."""
        return self._held().get(account, 0)

    def accounts(self) -> dict[Account, int]:
        """Every account of ours with its balance in base units."""
        return dict(sorted(self._held().items(), key=lambda held: (held[0].place, held[0].owner, held[0].token)))

    def record_balances(self, balances: Mapping[Account, int]) -> None:
        """What the chain or an exchange said accounts hold, at the present head."""
        with self._write() as connection:
            for account, units in balances.items():
                self._insert(
                    connection,
                    BalanceRow,
                    run_id=self.run.id,
                    at_ms=self._now_ms(),
                    block_number=self._block_number,
                    place=account.place,
                    owner=account.owner,
                    token=account.token,
                    units=units,
                )

    def held(self, connection: Connection) -> Mapping[Account, int]:
        """Every account of ours with its balance in base units, as `connection` sees it: one that `read` gives."""
        if self._batch is not None:
            return Holdings(self.run.instance).now(connection).units
        return self._brought_up(connection).units

    def _held(self) -> Mapping[Account, int]:
        if self._batch is not None:
            return self.held(self._batch)
        return self.remembered("held", self._brought_up, (PostingRow,)).units

    def _brought_up(self, connection: Connection) -> Holdings:
        before = self._holdings
        if before is None or before.instance != self.run.instance:
            before = Holdings(self.run.instance)
        self._holdings = before.now(connection)
        return self._holdings

    def _marks(self, connection: Connection) -> Marks:
        """The run's opening prices, which are read once: they are set before anything is traded, and stand."""
        if self._opening is not None and self._opening[0] == self.run.id:
            return self._opening[1]
        marks = marks_of(connection, self.run.id)
        if self._batch is None:
            self._opening = self.run.id, marks
        return marks

    def _lines_of(self, account: Account) -> tuple[ColumnElement[bool], ...]:
        return (
            PostingRow.instance == self.run.instance,
            PostingRow.account == accounts.ASSETS + account.owner,
            PostingRow.place == account.place,
            PostingRow.token == account.token,
        )

    def _post(
        self,
        connection: Connection,
        kind: str,
        postings: Sequence[Posting],
        *,
        source: str,
        strategy: str | None = None,
        intent_id: int | None = None,
        block_hash: str | None = None,
        read_at_block: int | None = None,
        reverses: int | None = None,
    ) -> None:
        if not postings:
            return
        accounts.check_balanced(postings)
        entry = self._insert(
            connection,
            EntryRow,
            run_id=self.run.id,
            instance=self.run.instance,
            kind=kind,
            strategy=strategy,
            intent_id=intent_id,
            source=source,
            block_hash=block_hash,
            read_at_block=read_at_block,
            reverses=reverses,
            at_ms=self._now_ms(),
            head_s=self._head_s,
        )
        for line in postings:
            self._insert(
                connection,
                PostingRow,
                entry_id=entry,
                instance=self.run.instance,
                account=line.account,
                place=line.place,
                token=line.token,
                units=line.units,
            )

    def _reverse(self, connection: Connection, *which: ColumnElement[bool]) -> None:
        """Takes back, by opposite postings, every entry that `which` names and that still stands."""
        reversal = EntryRow.__table__.alias("reversal")
        standing = (
            select(EntryRow.id, EntryRow.strategy, EntryRow.intent_id, EntryRow.source)
            .outerjoin(reversal, reversal.c.reverses == EntryRow.id)
            .where(
                # `coalesce` keeps the database from going through all rows of the instance instead of the few meant.
                func.coalesce(EntryRow.instance, "") == self.run.instance,
                *which,
                reversal.c.id.is_(None),
            )
        )
        for entry_id, strategy, intent_id, source in connection.execute(standing).all():
            columns = (PostingRow.account, PostingRow.place, PostingRow.token, PostingRow.units)
            lines = connection.execute(select(*columns).where(PostingRow.entry_id == entry_id)).all()
            opposite = [Posting(account, place, token, -units) for account, place, token, units in lines]
            self._post(
                connection,
                "undo",
                opposite,
                source=source,
                strategy=strategy,
                intent_id=intent_id,
                reverses=entry_id,
            )
