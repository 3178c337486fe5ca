"""Who may write to the ledger, and whether it is what it was: the lease, the seals and the head file, at start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import Connection, bindparam, delete, insert

from bot.filed import Filed, filed
from bot.ledger.errors import LedgerBroken, LedgerError, LedgerSilent, explained
from bot.ledger.lease import (
    LEASE_MS,
    Liveness,
    check_free,
    lease_row,
    liveness_of,
    this_process,
)
from bot.ledger.seal_models import LeaseRow
from bot.ledger.seals import GENESIS, append, change_of, read_head
from bot.ledger.store import Store, changing
from bot.ledger.verify import Progress, Verified, adopt, silent, verify

_RESTORED = "restored"
_LEASE = changing(LeaseRow, LeaseRow.name == bindparam("wanted"))


class Custody(Store):
    """The lease of one process, and the verification that comes before it trades."""

    _liveness: Liveness | None = None
    _lease_ms = LEASE_MS
    _held_files: Filed | None = None
    behind = 0
    """How many seals the head file was behind when the ledger was opened: what a crash left between the two."""

    def hold(self, name: str, lease_ms: int = LEASE_MS) -> None:
        """Takes the lease `name` to write. From now on every write fails once another process has taken it.

        Who stands still for `lease_ms` may lose it; who ends loses it at once.

        Raises `LedgerHeld` while another process has it, at once.
        """
        lives = self._another_lives(name)
        with self._transaction(acts=True) as connection:
            lease = lease_row(connection, name)
            check_free(self._where, lease, self._now_ms(), lives=lives)
            mine = {"token": lease.token + 1, "holder": this_process(), "expires_ms": self._now_ms() + lease_ms}
            if not self._change(connection, _LEASE, wanted=name, **mine):
                self._insert(connection, LeaseRow, name=name, **mine)
        self._lease = name, lease.token + 1
        self._lease_ms = lease_ms
        self._held_files = self._filed()

    def renew(self) -> None:
        """Moves the lease's end on. Raises `LeaseLost` when another process has taken it, and `LedgerBroken` when its
        file, or its log, is not there any more: what is written to it then, nobody finds.
        """
        assert self._liveness is not None and self._lease is not None, "hold comes first"
        if self._filed() != self._held_files:
            self._broken = LedgerBroken(
                f"ledger {self._where}: its file was removed or replaced while this process wrote to it; nothing more "
                "is written or sent. Put the newest back, with its head file, then `isthmus reconcile`"
            )
            raise self._broken
        with self._asking():
            self._liveness.acquire()
        with self._transaction(acts=False) as connection:
            connection.execute(_LEASE, {"wanted": self._lease[0], "expires_ms": self._now_ms() + self._lease_ms})

    def verified(self, progress: Progress = silent) -> Verified:
        """Every row against its seal; raises `LedgerError` when the newest seal is not what the head file knows."""
        with self.read() as connection:
            if self._head_file is not None:
                self._head_file.check(connection)
            return verify(connection, progress)

    def accept(self, progress: Progress = silent) -> Verified:
        """Makes the head file say what the ledger says, if every row is what its seal says. For who has looked."""
        with self.read() as connection:
            found = verify(connection, progress)
        if found.whole and self._head_file is not None:
            self._head_file.overrule(found.head)
        return found

    @property
    def was_restored(self) -> bool:
        """Whether it was put back from a copy and not reconciled since."""
        with self.read() as connection:
            return lease_row(connection, _RESTORED).token > 0

    def mark_reconciled(self) -> None:
        """The books equal the chain and the exchanges."""
        if self.was_restored:
            with self._transaction(acts=False) as connection:
                self._change(connection, _LEASE, wanted=_RESTORED, token=0)

    def close(self) -> None:
        super().close()
        if self._liveness is not None and not isinstance(self._broken, LedgerSilent):
            self._liveness.release()

    def _filed(self) -> Filed | None:
        """Where a file's ledger lies; None where a server has it."""
        return filed(self._where) if self._is_file else None

    def _another_lives(self, name: str) -> bool:
        """Whether another process has the lock that goes with the lease; else this one has it now."""
        with explained(self._where):
            if self._liveness is None:
                self._liveness = liveness_of(self._writer, name)
            return not self._liveness.acquire()

    def _check_free(self, name: str) -> None:
        """Raises `LedgerHeld` while another process has the lease. Takes nothing yet."""
        lives = self._another_lives(name)
        with self.read() as connection:
            check_free(self._where, lease_row(connection, name), self._now_ms(), lives=lives)

    def _check_head(self) -> None:
        """The ledger against its head file; one without seals, as those were that are older, is sealed as it is."""
        with explained(self._where), self._writer.begin() as connection:
            if self._head_file is not None:
                self.behind = self._head_file.check(connection)
            if read_head(connection) == GENESIS:
                # Before the first seal: seals without a head file would look like one that was lost.
                if self._head_file is not None:
                    self._head_file.write(GENESIS, sync=True)
                adopt(connection)

    def _check_rows(self, progress: Progress) -> None:
        """Raises `LedgerError` naming the first row that is not what it was."""
        with self.read() as connection:
            found = verify(connection, progress)
        if not found.whole:
            raise LedgerError(
                f"ledger {self._where}: {found.faults[0]} ({len(found.faults)} in all); nothing is traded on it: see "
                "`isthmus ledger verify`, restore a backup, or move it away"
            )
        if self._head_file is not None:
            self._head_file.write(found.head, sync=True)


def mark_restored(connection: Connection) -> None:
    """The ledger was put back from a copy: what happened since is not in it."""
    if read_head(connection) == GENESIS:
        adopt(connection)
    row = {"name": _RESTORED, "token": 1, "holder": this_process(), "expires_ms": 0}
    connection.execute(delete(LeaseRow).where(LeaseRow.name == _RESTORED))
    connection.execute(insert(LeaseRow), row)
    append(connection, [change_of(LeaseRow.__table__, row)])  # type: ignore[arg-type]  # a mapped class's table is no join


@asynccontextmanager
async def renewing(ledger: Custody, every_s: float = LEASE_MS / 4000) -> AsyncIterator[None]:
    """Keeps the lease of `ledger` alive. Once it is lost every write says so, and that is where the run ends."""
    task = asyncio.create_task(_renew(ledger, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _renew(ledger: Custody, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        with suppress(LedgerError):
            ledger.renew()
