"""What was measured of tokens. The newest report of a token is the one that counts."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from bot.ledger.models import Base, key
from bot.ledger.store import Store
from bot.safety.report import TokenReport, decode_report, encode_report
from chains.assets import Address


class TokenReportRow(Base):
    """`document` is the canonical JSON of the report; the other columns repeat what is searched for. Never changed."""

    __tablename__ = "token_reports"
    __table_args__ = (Index(None, "instance", "place", "token"),)

    id: Mapped[int] = key()
    instance: Mapped[str] = mapped_column(String(160))
    place: Mapped[str] = mapped_column(String(40))
    token: Mapped[str] = mapped_column(String(42))
    at_ms: Mapped[int]
    block_number: Mapped[int]
    block_hash: Mapped[str] = mapped_column(String(66))
    standing: Mapped[str] = mapped_column(String(16))
    document: Mapped[str] = mapped_column(Text)


_NEWEST = (
    select(TokenReportRow.document)
    .where(
        TokenReportRow.instance == bindparam("instance"),
        TokenReportRow.place == bindparam("place"),
        TokenReportRow.token == bindparam("token"),
    )
    .order_by(TokenReportRow.id.desc())
    .limit(1)
)


class TokenReports(Store):
    """Reports of tokens. They belong to the instance: what was measured on one chain says nothing of another."""

    def record_token_report(self, report: TokenReport, instance: str | None = None) -> None:
        """Keep a report; it replaces earlier ones of the same token. `instance` is the run's unless told."""
        with self._write() as connection:
            self._insert(
                connection,
                TokenReportRow,
                instance=instance or self.run.instance,
                place=report.place,
                token=report.token,
                at_ms=self._now_ms(),
                block_number=report.block_number,
                block_hash=report.block_hash,
                standing=report.standing.value,
                document=encode_report(report).decode(),
            )

    def token_report(self, place: str, token: Address) -> TokenReport | None:
        """The newest report of `token` on network `place`; None when it was never measured."""
        wanted = {"instance": self.run.instance, "place": place, "token": token}
        with self.read() as connection:
            document = connection.execute(_NEWEST, wanted).scalar_one_or_none()
        return None if document is None else decode_report(document.encode())
