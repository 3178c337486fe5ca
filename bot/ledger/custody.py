"""Who may write to the ledger, and whether it is what it was: the lease, the seals and the head file, at start."""

from __future__ import annotations

from bot.ledger.errors import LedgerError, explained
from bot.ledger.lease import (
    LEASE_MS,
    WRITER,
    Liveness,
    check_free,
    lease_row,
    liveness_of,
    this_process,
)
from bot.ledger.seal_models import LeaseRow
from bot.ledger.seals import GENESIS, read_head
from bot.ledger.store import Store, changing
from bot.ledger.verify import Verified, adopt, verify

_LEASE = changing(LeaseRow, LeaseRow.name == WRITER)


class Custody(Store):
    """The lease of one process, and the verification that comes before it trades."""

    _liveness: Liveness | None = None
    behind = 0
    """How many seals the head file was behind when the ledger was opened: what a crash left between the two."""

    def hold(self) -> None:
        """Takes the lease to write. From now on every write fails once another process has taken it.

        Raises `LedgerHeld` while another process writes, at once.
        """
        liveness = self._liveness or liveness_of(self._writer)
        with explained(self._where):
            lives = not liveness.acquire()
        self._liveness = liveness
        with self._transaction(acts=True) as connection:
            token, holder, expires_ms = lease_row(connection)
            check_free(self._where, holder, expires_ms, self._now_ms(), lives=lives)
            mine = {"token": token + 1, "holder": this_process(), "expires_ms": self._now_ms() + LEASE_MS}
            self._change(connection, _LEASE, **mine)
        self._token = token + 1

    def renew(self) -> None:
        """Moves the lease's end on. Raises `LeaseLost` when another process has taken it."""
        assert self._liveness is not None, "hold comes first"
        self._liveness.acquire()
        with self._transaction(acts=False) as connection:
            connection.execute(_LEASE, {"expires_ms": self._now_ms() + LEASE_MS})

    def verified(self) -> Verified:
        """Every row against its seal; raises `LedgerError` when the newest seal is not what the head file knows."""
        with self.read() as connection:
            if self._head_file is not None:
                self._head_file.check(connection)
            return verify(connection)

    def accept(self) -> Verified:
        """Makes the head file say what the ledger says, if every row is what its seal says. For who has looked."""
        with self.read() as connection:
            found = verify(connection)
        if found.whole and self._head_file is not None:
            self._head_file.write(found.head, sync=True)
        return found

    def close(self) -> None:
        super().close()
        if self._liveness is not None:
            self._liveness.release()

    def _check_head(self) -> None:
        """The ledger against its head file; one without seals, as those were that are older, is sealed as it is."""
        with explained(self._where), self._writer.begin() as connection:
            if self._head_file is not None:
                self.behind = self._head_file.check(connection)
            if read_head(connection) == GENESIS:
                adopt(connection)

    def _check_rows(self) -> None:
        """Raises `LedgerError` naming the first row that is not what it was."""
        with self.read() as connection:
            found = verify(connection)
        if not found.whole:
            raise LedgerError(
                f"ledger {self._where}: {found.faults[0]} ({len(found.faults)} in all); nothing is traded on it: see "
                "`isthmus ledger verify`, restore a backup, or move it away"
            )
        if self._head_file is not None:
            self._head_file.write(found.head, sync=True)
