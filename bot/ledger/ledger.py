"""The ledger: everything the bot saw, decided, risked and did, written down before each act.

One object in layers, each upon the one before: `store` (transactions), `decisions`, `books` (double entry),
`results`, `journal` (intents), `settlement` (receipts, reorgs), `orders`; and beside them `token_reports`. Every
method is one committed transaction, or a part of an open `batch`; when it returns, what it said is on the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Row, bindparam, func, select
from sqlalchemy.engine import URL

from bot.clock import Clock
from bot.ledger.book_models import ResultRow
from bot.ledger.custody import Custody
from bot.ledger.database import check_pages, connect, count_rows, parse_url, require_there, upgrade
from bot.ledger.deliveries import Deliveries
from bot.ledger.errors import LedgerError
from bot.ledger.headfile import HeadFile, head_file_of
from bot.ledger.models import IntentRow, RunRow
from bot.ledger.orders import Orders
from bot.ledger.records import Run
from bot.ledger.store import changing
from bot.ledger.token_reports import TokenReports
from bot.ledger.verify import Progress, silent
from bot.mode import Mode

_LAST_ID = 2**63 - 1
"""No database counts further."""
_CHANGE_RUN = changing(RunRow, RunRow.id == bindparam("run"))


class Ledger(Orders, TokenReports, Deliveries, Custody):
    """The bot's memory. One process writes to it; any number may read."""

    @classmethod
    def open(
        cls,
        url: str,
        clock: Clock,
        *,
        hold: str | None = None,
        hold_later: str | None = None,
        head_file: Path | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Opens, migrates and verifies the database at `url`: the path of an SQLite file, or an SQLAlchemy URL.

        With `hold`, takes the lease of that name to write, which whoever trades must have; with `hold_later`, only
        looks whether that is free: who then turns out not to trade has taken it from nobody. `head_file` is the second
        file that knows the newest seal; by default beside an SQLite file, and none for a server. `progress` is told
        how far every row's verification is. Raises `LedgerError`, one line, when the ledger is corrupt, held, locked,
        full or cannot be reached.
        """
        parsed = parse_url(url)
        writer = connect(parsed, one=True)
        ledger = cls(writer, connect(parsed, read_only=True), clock, _head_file(parsed, head_file))
        try:
            upgrade(writer)
            ledger._check_head()
            if (wanted := hold or hold_later) is not None:
                ledger._check_free(wanted)
            check_pages(ledger._reader)
            count_rows(writer)
            ledger._check_rows(progress)
            if hold is not None:
                ledger.hold(hold)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @classmethod
    def view(cls, url: str, clock: Clock, *, head_file: Path | None = None) -> Self:
        """Opens a migrated database to read only, beside the process that writes. Writing raises `LedgerError`, as
        does a file that is not there.
        """
        parsed = parse_url(url)
        require_there(parsed)
        reader = connect(parsed, read_only=True)
        return cls(reader, reader, clock, _head_file(parsed, head_file))

    def start_run(
        self, mode: Mode, network: str, chain_id: int, seed: int | None, config_digest: str, instance: str
    ) -> Run:
        """Begins a run; rows recorded from now on belong to it.

        `instance` names the world the money lies in: runs with an equal one share balances, nonces and budgets. Use
        the genesis hash on a real chain; a twin or a private fork adds what tells one start of it from the next.

        Raises `LedgerError` where runs on another chain began with the same block, as a chain and a fork of it do.
        """
        started_ms = self._now_ms()
        with self._write() as connection:
            self._require_one_chain(connection, instance, chain_id)
            run_id = self._insert(
                connection,
                RunRow,
                instance=instance,
                mode=mode.value,
                network=network,
                chain_id=chain_id,
                seed=seed,
                config_digest=config_digest,
                started_ms=started_ms,
            )
            return self._stand_on(connection, Run(run_id, instance, mode, network, chain_id, seed, started_ms))

    def _require_one_chain(self, connection: Connection, instance: str, chain_id: int) -> None:
        others = (RunRow.instance == instance, RunRow.chain_id != chain_id)
        other = connection.execute(select(RunRow.network, RunRow.chain_id).where(*others).limit(1)).first()
        if other is not None:
            raise LedgerError(
                f"ledger {self._where}: keeps the trades of {other.network} (chain id {other.chain_id}), which began "
                f"with the same block as chain id {chain_id}: one is a fork of the other; name another ledger.url or "
                "ledger.folder for this one"
            )

    def attach(self, run_id: int | None = None, *, network: str | None = None) -> Run:
        """Stands on an earlier run, the latest by default, to read or reconcile it. Raises `LedgerError`.

        With `network`, the latest of its live runs; of its others, or of any, only where there is none.
        """
        of_network, live = RunRow.network == network, RunRow.mode == Mode.LIVE.value
        preferred = () if network is None else (of_network.desc(), live.desc())
        runs = select(RunRow.__table__).order_by(*preferred, RunRow.id.desc()).limit(1)
        if run_id is not None:
            runs = runs.where(RunRow.id == min(run_id, _LAST_ID))
        with self.read() as connection:
            row = connection.execute(runs).one_or_none()
            if row is None:
                wanted = "any run" if run_id is None else f"run {run_id}"
                raise LedgerError(f"ledger {self._where}: does not hold {wanted}; start one with `isthmus run`")
            return self._stand_on(connection, as_run(row))

    def finish_run(self, summary: Mapping[str, Any]) -> None:
        """Ends the run and keeps its summary."""
        document = orjson.dumps(summary, option=orjson.OPT_SORT_KEYS).decode()
        with self._write() as connection:
            self._change(connection, _CHANGE_RUN, run=self.run.id, finished_ms=self._now_ms(), summary=document)

    def _stand_on(self, connection: Connection, run: Run) -> Run:
        """The budgets' clock goes on from the latest the instance has seen, so that a restart frees nothing."""
        reserved = select(func.max(IntentRow.reserved_head_s)).where(IntentRow.instance == run.instance)
        booked = select(func.max(ResultRow.head_s)).where(ResultRow.instance == run.instance)
        seen = (connection.execute(latest).scalar_one() or 0 for latest in (reserved, booked))
        self._run = run
        self._block_number = 0
        self._head_s = max(seen)
        return run


def _head_file(url: URL, told: Path | None) -> HeadFile | None:
    if told is None and url.get_backend_name() == "sqlite":
        told = head_file_of(url)
    return None if told is None else HeadFile(told)


def as_run(row: Row[Any]) -> Run:
    """The value behind a row of `runs`."""
    return Run(
        id=row.id,
        instance=row.instance,
        mode=Mode(row.mode),
        network=row.network,
        chain_id=row.chain_id,
        seed=row.seed,
        started_ms=row.started_ms,
        finished_ms=row.finished_ms,
    )
