"""The pools that were discovered, on disk: SQLite by default, PostgreSQL by URL. One transaction per step forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from bot.discovery.errors import StoreFailed
from bot.discovery.models import POOLS, PROGRESS, REFUSALS, STATES, TOKENS
from bot.discovery.states import packed
from bot.ledger.database import connect, parse_url, place
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.discovery.found import Found
from chains.networks import Network
from chains.pools.pool import Pool, PoolFacts
from chains.printing import one_line

_MIGRATIONS = Path(__file__).parent / "migrations"
_CHAIN, _STATES = "chain", "states"
_REMEDIES = (
    ("disk is full", "free some space and start again: what was found before is kept"),
    ("No space left", "free some space and start again: what was found before is kept"),
    ("database is locked", "another isthmus is writing to it; try again once it has"),
    ("lock timeout", "another isthmus is writing to it; try again once it has"),
    ("readonly database", "make it and its folder writable"),
    ("unable to open", "check that it may be read, and that its folder exists and may be written to"),
)
_REMEDY = "correct pools.url, or move the store away: it is made again"


@dataclass(frozen=True, slots=True)
class Position:
    """How far an origin is read: a block and its hash (empty: final), or how many pools of a registry."""

    number: int
    block_hash: str = ""


@dataclass(frozen=True, slots=True)
class KnownPool:
    """A pool of the store. `liquidity_wei` is None until it was measured."""

    facts: PoolFacts
    protocol: str
    created_block: int
    liquidity_wei: int | None


@dataclass(slots=True)
class Step:
    """What one step of a discovery brought: all of it is stored, or nothing."""

    pools: list[Found] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    refused: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """By subject: the origin, the reason, and the block it was announced in."""
    progress: dict[str, Position] = field(default_factory=dict)


class PoolStore:
    """Pools, tokens, refusals, progress and states. Of two writers' states those of the last to write are kept.

    Where one of them took blocks back, the other's progress beyond them does not count: they are read again.
    """

    def __init__(self, engine: Engine, network: str) -> None:
        self._engine = engine
        self._network = network
        self._where = place(engine.url)
        self._states_at: Position | None = None
        self._read_to: dict[str, int] = {}

    @classmethod
    def open(cls, url: str, network: str, chain_id: int, genesis: str) -> Self:
        """The store at `url`, or in the SQLite file of that path; made if there is none.

        Raises `StoreFailed`, also for a store of another chain.
        """
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        store = cls(connect(parsed), network)
        try:
            store._migrate()
            store._claim(chain_id, genesis)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def view(cls, url: str, network: str, chain_id: int) -> Self:
        """The store at `url` to read from, as it is. Raises `StoreFailed` where there is none, or another chain's."""
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and not (parsed.database and Path(parsed.database).is_file()):
            raise StoreFailed(f"pool store {place(parsed)}: there is no such file; `isthmus discover` makes it")
        store = cls(connect(parsed, read_only=True), network)
        try:
            store._require(chain_id)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        self._engine.dispose()

    def progress(self) -> dict[str, Position]:
        """How far every origin is read."""
        with self._reading() as connection:
            rows = connection.execute(select(PROGRESS).where(PROGRESS.c.name.not_in((_CHAIN, _STATES))))
            kept = {row.name: Position(row.position, row.block_hash) for row in rows}
        self._read_to |= {name: max(at.number, self._read_to.get(name, 0)) for name, at in kept.items()}
        return kept

    def tokens(self) -> dict[Address, Token]:
        with self._reading() as connection:
            rows = connection.execute(select(TOKENS.c.address, TOKENS.c.symbol, TOKENS.c.decimals))
            return {Address(at): Token(self._network, at, symbol, decimals) for at, symbol, decimals in rows}

    def tokens_on(self, network: Network) -> dict[Address, Token]:
        """Every token that a pool here may trade: those that were asked, and those that the network's file names."""
        named = {Address(token.address): token for token in network.tokens.values()}
        return self.tokens() | named | {ZERO_ADDRESS: network.native}

    def refusals(self) -> dict[str, str]:
        """Why each pool, token or factory that was looked at is not taken."""
        with self._reading() as connection:
            return {row.subject: row.reason for row in connection.execute(select(REFUSALS).order_by("subject"))}

    def counted(self) -> dict[str, int]:
        """How many pools each protocol has, and how many refusals each origin, by their names."""
        with self._reading() as connection:
            pools = connection.execute(select(POOLS.c.protocol, func.count()).group_by(POOLS.c.protocol))
            refusals = connection.execute(
                select(REFUSALS.c.origin, func.count())
                .where(REFUSALS.c.subject.not_in(select(func.substr(REFUSALS.c.origin, -42))))
                .group_by(REFUSALS.c.origin)
            )
            return {name: count for name, count in (*pools, *refusals)}  # noqa: C416 - rows are not pairs

    def pools(self, tokens: Mapping[Address, Token]) -> Iterator[KnownPool]:
        """Every pool, by venue in order. `tokens` are the token objects to use; without one, `StoreFailed`."""
        columns = [column for column in POOLS.c if column.name != "measured_block"]
        with self._reading() as connection:
            for row in connection.execute(select(*columns).order_by(POOLS.c.venue)):
                try:
                    yield _known(row, tokens)
                except KeyError as error:
                    raise StoreFailed(
                        f"pool store {self._where}: its pool {row.venue} trades {error}, which nothing names any more; "
                        "put it back under [tokens] in the network's file, or move the store away: it is made again"
                    ) from error

    def states(self) -> tuple[Position | None, dict[str, bytes]]:
        """The block as of which states were saved, and the states by venue; None where none were."""
        with self._reading() as connection:
            self._states_at = _states_at(connection)
            if self._states_at is None:
                return None, {}
            rows = connection.execute(select(STATES.c.venue, STATES.c.state))
            return self._states_at, {venue: state for venue, state in rows}  # noqa: C416 - typed

    def record(self, step: Step) -> None:
        """Keep what a step brought. Raises `StoreFailed`."""
        with self._writing() as connection:
            read_to = self._record(connection, step)
        self._read_to |= read_to

    def rewind(self, names: Iterable[str], number: int, read_to: int) -> None:
        """Forget what was created after block `number`. Of `names`, origins read further are read from `read_to` on.

        Registries, which are not among them, are read from their first pool on: when each was counted is not known.
        """
        origins = tuple(names)
        counted = PROGRESS.c.name.not_in(origins), PROGRESS.c.block_hash == ""
        further = PROGRESS.c.name.in_(origins), PROGRESS.c.position > number
        with self._writing() as connection:
            gone = select(POOLS.c.venue).where(POOLS.c.created_block > number)
            connection.execute(delete(STATES).where(STATES.c.venue.in_(gone)))
            connection.execute(delete(POOLS).where(POOLS.c.created_block > number))
            connection.execute(delete(REFUSALS).where(REFUSALS.c.block_number > number))
            connection.execute(update(PROGRESS).where(*further).values(position=read_to, block_hash=""))
            connection.execute(update(PROGRESS).where(*counted).values(position=0))
        self._read_to |= {name: read_to for name in origins if self._read_to.get(name, 0) > number}
        self._read_to |= dict.fromkeys(self._read_to.keys() - set(origins), 0)

    def measured(self, liquidity_wei: Mapping[str, int], block_number: int) -> None:
        """Keep the pools' liquidity, as of a block."""
        statement = (
            update(POOLS)
            .where(POOLS.c.venue == bindparam("of_venue"))
            .values(liquidity_wei=bindparam("measured"), measured_block=block_number)
        )
        rows = [{"of_venue": venue, "measured": value} for venue, value in liquidity_wei.items()]
        with self._writing() as connection:
            if rows:
                connection.execute(statement, rows)

    def save_states(self, changed: Iterable[Pool], gone: Iterable[str], at: Position, step: Step | None = None) -> None:
        """All states are now as of `at`: those of `changed` are written, those of `gone` dropped, the others hold.

        Where somebody else saved states since, the others are dropped too: of which block they are nobody knows.
        `step` is recorded in the same transaction.
        """
        rows = [{"venue": pool.venue, "state": packed(pool)} for pool in changed]
        with self._writing() as connection:
            if _states_at(connection) != self._states_at:
                connection.execute(delete(STATES))
            _drop(connection, STATES, list(gone))
            _put(connection, STATES, rows)
            _put(connection, PROGRESS, [_progress(_STATES, at)])
            read_to = self._record(connection, step) if step is not None else {}
        self._states_at = at
        self._read_to |= read_to

    def _record(self, connection: Connection, step: Step) -> dict[str, int]:
        """How far each origin is read by this, but those that somebody else took back."""
        rows = connection.execute(select(PROGRESS.c.name, PROGRESS.c.position).with_for_update())
        kept: dict[str, int] = {name: number for name, number in rows}  # noqa: C416 - typed
        taken_back = {name for name, number in kept.items() if number < self._read_to.get(name, 0)}
        progress = {name: at for name, at in step.progress.items() if name not in taken_back}
        _record(connection, step, progress)
        return {name: at.number for name, at in progress.items()}

    def _migrate(self) -> None:
        # Here, because only a run that discovers pools has such a store.
        from bot.ledger.migrating import Unmigrated, migrate

        try:
            with self._writing() as connection:
                migrate(connection, _MIGRATIONS)
        except Unmigrated as error:
            raise StoreFailed(
                f"pool store {self._where}: {error}; a newer isthmus made it, or it is no pool store: correct "
                "pools.url, or move it away: it is made again"
            ) from error

    def _claim(self, chain_id: int, genesis: str) -> None:
        with self._writing() as connection:
            kept = connection.execute(select(PROGRESS).where(PROGRESS.c.name == _CHAIN)).one_or_none()
            if kept is None:
                _put(connection, PROGRESS, [_progress(_CHAIN, Position(chain_id, genesis))])
            elif (kept.position, kept.block_hash) != (chain_id, genesis):
                raise StoreFailed(
                    f"pool store {self._where}: it holds the pools of another chain (id {kept.position}, genesis "
                    f"{kept.block_hash}); name another in pools.url, or move it away"
                )

    def _require(self, chain_id: int) -> None:
        with self._reading() as connection:
            kept = connection.execute(select(PROGRESS).where(PROGRESS.c.name == _CHAIN)).one_or_none()
        if kept is not None and kept.position != chain_id:
            raise StoreFailed(
                f"pool store {self._where}: it holds the pools of chain {kept.position}, and {self._network} is chain "
                f"{chain_id}; name its network with --network"
            )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, ValueError) as error:
            origin = error.orig if isinstance(error, DatabaseError) and error.orig is not None else error
            what = (str(origin).strip().splitlines() or [type(origin).__name__])[0]
            if isinstance(error, ValueError):
                what = f"it is damaged ({one_line(what)})"
            remedy = next((remedy for sign, remedy in _REMEDIES if sign in what), _REMEDY)
            raise StoreFailed(f"pool store {self._where}: {what}; {remedy}") from error


def _states_at(connection: Connection) -> Position | None:
    kept = connection.execute(select(PROGRESS).where(PROGRESS.c.name == _STATES)).one_or_none()
    return Position(kept.position, kept.block_hash) if kept else None


def _record(connection: Connection, step: Step, progress: Mapping[str, Position]) -> None:
    pools = [_row(found) for found in step.pools]
    tokens = [{"address": one.address, "symbol": one.symbol, "decimals": one.decimals} for one in step.tokens]
    refusals = [
        {"subject": subject, "origin": origin, "reason": reason, "block_number": block}
        for subject, (origin, reason, block) in step.refused.items()
    ]
    _put(connection, POOLS, pools)
    _put(connection, TOKENS, tokens)
    _drop(connection, REFUSALS, [*(row["venue"] for row in pools), *map(_address_of, step.progress)])
    _put(connection, REFUSALS, refusals)
    _put(connection, PROGRESS, [_progress(name, at) for name, at in progress.items()])


def _put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, in the place of those with the same key."""
    if not rows:
        return
    (key,) = table.primary_key.columns
    _drop(connection, table, [row[key.name] for row in rows])
    connection.execute(insert(table), list({row[key.name]: row for row in rows}.values()))


def _drop(connection: Connection, table: Table, keys: Sequence[str]) -> None:
    (column,) = table.primary_key.columns
    if keys:
        connection.execute(delete(table).where(column == bindparam("gone")), [{"gone": each} for each in keys])


def _address_of(origin: str) -> str:
    """The contract of an origin's name: one that is read again is not refused any more."""
    return origin.rpartition(":")[2]


def _progress(name: str, at: Position) -> dict[str, Any]:
    return {"name": name, "position": at.number, "block_hash": at.block_hash}


def _row(found: Found) -> dict[str, Any]:
    return {
        "venue": found.venue,
        "protocol": found.protocol,
        "family": found.family,
        "address": found.address,
        "tokens": " ".join(found.tokens),
        "fee_ppm": found.fee_ppm,
        "pool_id": found.pool_id,
        "details": orjson.dumps(dict(found.details)).decode() if found.details else "",
        "created_block": found.block_number,
        "liquidity_wei": None,
        "measured_block": None,
    }


def _known(row: Any, tokens: Mapping[Address, Token]) -> KnownPool:
    _, protocol, family, at, names, fee_ppm, pool_id, details, created_block, liquidity_wei = row
    facts = PoolFacts(
        family,
        at,
        tuple([tokens[name] for name in names.split(" ")]),
        fee_ppm,
        pool_id,
        orjson.loads(details) if details else {},
    )
    return KnownPool(facts, protocol, created_block, liquidity_wei)
