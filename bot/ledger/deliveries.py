"""What was handed to which destination, and whether it landed: what is learnt of relays is learnt from here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, ForeignKey, Index, String, Text, and_, bindparam, or_, select
from sqlalchemy.orm import Mapped, aliased, mapped_column

from bot.ledger.models import AttemptRow, Base, IntentRow, key
from bot.ledger.states import AttemptKind, IntentState
from bot.ledger.store import Store
from chains.assets import Address

_LANDED = frozenset({IntentState.MINED.value, IntentState.FINAL.value})
_DECIDED = (*_LANDED, IntentState.CANCELLED.value, IntentState.FOREIGN.value)
_TAKEN = ("accepted", "already_known")
_PUBLIC = "mempool"
_SEPARATOR = " "


class DeliveryRow(Base):
    """An attempt handed to a destination, and what that said. `pools` are those of its plan; `share_ppm` is the part
    of what the plan could spare that it offered as a tip, 0 for a fixed one. Never changed.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "intent_id", "attempt"), Index(None, "instance"))

    id: Mapped[int] = key()
    instance: Mapped[str] = mapped_column(String(160))
    intent_id: Mapped[int] = mapped_column(ForeignKey("intents.id"))
    attempt: Mapped[int]
    destination: Mapped[str] = mapped_column(String(40))
    at_ms: Mapped[int]
    block_number: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    cause: Mapped[str | None] = mapped_column(String(40))
    share_ppm: Mapped[int]
    pools: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Handed:
    """What one destination said of an attempt: `bot.execution.routes.Delivery` in the ledger's words."""

    destination: str
    status: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What became of a call that `destination` had taken."""

    destination: str
    pools: frozenset[Address]
    share_ppm: int
    landed: bool


_OTHER = aliased(DeliveryRow)
# One row and not `exists`, for which a server gathers what was ever handed to the public.
_TAKEN_IN_PUBLIC = (
    select(_OTHER.id)
    .where(
        _OTHER.intent_id == DeliveryRow.intent_id,
        _OTHER.attempt == DeliveryRow.attempt,
        _OTHER.destination == _PUBLIC,
        _OTHER.status.in_(_TAKEN),
    )
    .correlate(DeliveryRow)
    .limit(1)
    .scalar_subquery()
)
_NEWEST = (
    select(
        DeliveryRow.destination,
        DeliveryRow.pools,
        DeliveryRow.share_ppm,
        AttemptRow.state,
    )
    .join(
        AttemptRow,
        and_(AttemptRow.intent_id == DeliveryRow.intent_id, AttemptRow.number == DeliveryRow.attempt),
    )
    .join(IntentRow, IntentRow.id == DeliveryRow.intent_id)
    .where(
        DeliveryRow.instance == bindparam("instance"),
        DeliveryRow.status.in_(_TAKEN),
        AttemptRow.kind == AttemptKind.CALL.value,
        IntentRow.state.in_(_DECIDED),
        or_(DeliveryRow.destination == _PUBLIC, _TAKEN_IN_PUBLIC.is_(None)),
    )
    .order_by(DeliveryRow.id.desc())
)


class Deliveries(Store):
    """Deliveries are added, never changed; whether they landed is what their attempts say."""

    def record_deliveries(
        self, intent_id: int, attempt: int, handed: Iterable[Handed], pools: Iterable[Address], share_ppm: int
    ) -> None:
        """What destinations said of an attempt, in one commit."""
        common = {
            "instance": self.run.instance,
            "intent_id": intent_id,
            "attempt": attempt,
            "at_ms": self._now_ms(),
            "block_number": self._block_number,
            "share_ppm": share_ppm,
            "pools": _SEPARATOR.join(sorted(pools)),
        }
        said = tuple(handed)

        def keep(connection: Connection) -> None:
            for each in said:
                to = {"destination": each.destination, "status": each.status, "cause": each.cause}
                self._insert(connection, DeliveryRow, **common, **to)

        self._note(keep)

    def inclusions(self, limit: int) -> Sequence[Inclusion]:
        """The newest calls whose outcome is known, newest first.

        What the public took as well says nothing of a relay: it may have landed without it.
        """
        with self.read() as connection:
            rows = connection.execute(_NEWEST.limit(limit), {"instance": self.run.instance}).all()
        return [
            Inclusion(
                row.destination,
                frozenset(Address(pool) for pool in row.pools.split(_SEPARATOR) if pool),
                row.share_ppm,
                row.state in _LANDED,
            )
            for row in rows
        ]
