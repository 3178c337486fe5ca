"""The tables of the pool store. They are few, and nothing in them is precious: a chain can be scanned again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

from bot.ledger.types import Units

METADATA = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)
_BIG = BigInteger().with_variant(Integer(), "sqlite")

POOLS = Table(
    "pools",
    METADATA,
    Column("venue", String(66), primary_key=True),
    Column("protocol", String(40), nullable=False),
    Column("family", String(40), nullable=False),
    Column("address", String(42), nullable=False),
    Column("tokens", Text, nullable=False),
    Column("fee_ppm", _BIG, nullable=False),
    Column("pool_id", LargeBinary, nullable=False),
    Column("details", Text, nullable=False),
    Column("created_block", _BIG, nullable=False, index=True),
    Column("liquidity_wei", Units()),
    Column("measured_block", _BIG),
)
"""`tokens` are addresses with spaces between them; `details` is JSON. Liquidity is null until it is measured."""

TOKENS = Table(
    "tokens",
    METADATA,
    Column("address", String(42), primary_key=True),
    Column("symbol", String(32), nullable=False),
    Column("decimals", Integer, nullable=False),
)

STATES = Table(
    "states",
    METADATA,
    Column("venue", String(66), primary_key=True),
    Column("state", LargeBinary, nullable=False),
)
"""Pools that are in the market, all as they were after the block that `progress` has under `states`."""

REFUSALS = Table(
    "refusals",
    METADATA,
    Column("subject", String(66), primary_key=True),
    Column("origin", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("block_number", _BIG, nullable=False),
)
"""Pools, tokens and factories that were looked at and not taken, and why."""

PROGRESS = Table(
    "progress",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("position", _BIG, nullable=False),
    Column("block_hash", String(66), nullable=False),
)
"""How far each origin is read: a block, or a registry's count. `chain` holds the chain's id and its genesis."""
