"""A snapshot: pools as they were, written to a file and read back exactly. The format is docs/snapshot.md."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import IO, Any, cast

from chains.assets import Token
from chains.files import put_whole
from chains.pools.pool import Pool
from chains.pools.registry import FAMILIES, Family
from chains.snapshot.codec import (
    Tokens,
    account,
    decode,
    encode,
    integer,
    reference,
    require_fields,
    require_object,
    text,
    tokens_in,
)
from chains.snapshot.errors import (
    DuplicatePool,
    MissingField,
    NotASnapshot,
    UnknownField,
    UnknownPoolFamily,
    UnsupportedVersion,
    WrongValue,
)

FORMAT = "isthmus-snapshot"
VERSION = 2
FORMER_VERSIONS = (1,)
"""Read as well, but for pools of families whose fields have changed since: what these lack is not guessed."""

_GZIP = b"\x1f\x8b"
_MAX_DECIMALS = 255
_MOST_NESTED = 200
MOST_BYTES = 512 << 20
"""The longest document that is read, written out: twelve times what 120,000 pairs take."""

_CHUNK = 1 << 20
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A pool as it was after block `block`."""

    pool: Pool
    block: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A venue that the snapshot does not hold, and why."""

    venue: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """Pools at recorded blocks. `left_out` is what the source had besides.

    Raises `DuplicatePool`, and `WrongValue` where two pools describe a token differently.
    """

    pools: tuple[Recorded, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        if len(self.by_venue) != len(self.pools):
            venues = [recorded.pool.venue for recorded in self.pools]
            twice = next(venue for venue in venues if venues.count(venue) > 1)
            raise DuplicatePool(f"pool {twice} is in the snapshot {venues.count(twice)} times; keep one state of it")
        for one, other in pairwise(self.tokens):
            if reference(one) == reference(other):
                raise WrongValue(f"token {reference(one)} is described as {one!r} and as {other!r}")

    @cached_property
    def by_venue(self) -> Mapping[str, Recorded]:
        """The pools by what names them: an address, or the id inside a contract that holds many."""
        return {recorded.pool.venue: recorded for recorded in self.pools}

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Every token of every pool, ordered by place and address."""
        found = {token for recorded in self.pools for token in tokens_in(recorded.pool)}
        return tuple(sorted(found, key=reference))


def write(snapshot: Snapshot, file: Path) -> None:
    """Write `snapshot`, compressed if `file` ends in `.gz`; equal snapshots give equal bytes.

    Raises `OSError`; a file that was there before is then as it was.
    """
    content = (json.dumps(to_json(snapshot), ensure_ascii=False, separators=(",", ":")) + "\n").encode()
    written = gzip.compress(content, mtime=0) if file.suffix == ".gz" else content
    if not file.is_file() or file.is_symlink():
        # Nothing is there to be lost, or it is a device or a pipe, which cannot be put in place of another.
        file.write_bytes(written)
        return
    put_whole(file, written)


def read(file: Path, families: Mapping[str, Family] = FAMILIES) -> Snapshot:
    """The snapshot in `file`. Raises `SnapshotError`, `OSError`."""
    return from_json(read_json(file), families, str(file))


def read_json(file: Path) -> Any:
    """Any JSON document, compressed or not. Raises `NotASnapshot`, `OSError`."""
    content = read_whole(file)
    try:
        if _nesting(content) > _MOST_NESTED:
            raise ValueError(f"nested more than {_MOST_NESTED} deep")
        return json.loads(content)
    except ValueError as error:
        raise NotASnapshot(f"{file}: not JSON ({error}); is it the right file?") from None


def read_whole(file: Path) -> bytes:
    """What is in a file, or comes out of a pipe, decompressed. Raises `NotASnapshot`, `OSError`."""
    try:
        with file.open("rb") as raw:
            source = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if raw.peek(2).startswith(_GZIP) else raw)
            content = b"".join(islice(iter(lambda: source.read(_CHUNK), b""), MOST_BYTES // _CHUNK + 1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NotASnapshot(f"{file}: it is compressed, and damaged ({error}); fetch or take it again") from None
    if len(content) > MOST_BYTES:
        raise NotASnapshot(f"{file}: more than {MOST_BYTES >> 20} MiB, or without end; is it the right file?")
    return content


def _nesting(content: bytes) -> int:
    """How deep brackets are nested, those inside strings included. Deep enough, they would exhaust the C stack."""
    brackets = content.translate(None, _NO_BRACKETS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """The document that says `snapshot`."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "tokens": {
            reference(token): {
                "network": token.place,
                "address": token.address,
                "symbol": token.symbol,
                "decimals": token.decimals,
            }
            for token in snapshot.tokens
        },
        "pools": [
            {"family": recorded.pool.family, "block": recorded.block, "state": encode(recorded.pool)}
            for recorded in snapshot.pools
        ],
        "left_out": [{"venue": left.venue, "reason": left.reason} for left in snapshot.left_out],
    }


def from_json(document: Any, families: Mapping[str, Family] = FAMILIES, where: str = "snapshot") -> Snapshot:
    """The snapshot that `document` says; `where` names it in errors. Raises `SnapshotError`."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotASnapshot(f"{where}: not a snapshot; `isthmus snapshot import` converts recorded layouts")
    version = document.get("version")
    if version not in (VERSION, *FORMER_VERSIONS) or isinstance(version, bool | float):
        raise UnsupportedVersion(f"{where}: version {version!r}; this program reads versions up to {VERSION}")
    require_fields(document, {"format", "version", "tokens", "pools", "left_out"}, where)
    tokens = {
        name: _token(raw, name, f"{where}: tokens[{name}]")
        for name, raw in require_object(document["tokens"], f"{where}: tokens").items()
    }
    try:
        pools = [
            _recorded(raw, families, tokens, f"{where}: pools[{i}]")
            for i, raw in enumerate(_list(document["pools"], f"{where}: pools"))
        ]
    except (MissingField, UnknownField) as error:
        if version == VERSION:
            raise
        raise UnsupportedVersion(
            f"{error}; the file is of version {version}, since when such pools have other fields: "
            "take or import it again"
        ) from error
    left_out = [
        _left_out(raw, f"{where}: left_out[{i}]")
        for i, raw in enumerate(_list(document["left_out"], f"{where}: left_out"))
    ]
    return Snapshot(tuple(pools), tuple(left_out))


def _token(raw: Any, name: str, where: str) -> Token:
    given = require_object(raw, where)
    require_fields(given, {"network", "address", "symbol", "decimals"}, where)
    decimals = integer(given["decimals"], f"{where}.decimals")
    if not 0 <= decimals <= _MAX_DECIMALS:
        raise WrongValue(f"{where}.decimals: {decimals} is not between 0 and {_MAX_DECIMALS}")
    token = Token(
        text(given["network"], f"{where}.network"),
        account(given["address"], f"{where}.address"),
        text(given["symbol"], f"{where}.symbol"),
        decimals,
    )
    if reference(token) != name:
        raise WrongValue(f"{where}: it is called {name}, but it is {reference(token)}")
    return token


def _recorded(raw: Any, families: Mapping[str, Family], tokens: Tokens, where: str) -> Recorded:
    given = require_object(raw, where)
    require_fields(given, {"family", "block", "state"}, where)
    family = text(given["family"], f"{where}.family")
    if family not in families:
        raise UnknownPoolFamily(f"{where}.family: {family[:80]!r} is unknown; known are {', '.join(sorted(families))}")
    block = integer(given["block"], f"{where}.block")
    if not 0 <= block < 2**63:
        raise WrongValue(f"{where}.block: {str(block)[:40]} is no block's number")
    pool = decode(given["state"], families[family].pool, tokens, f"{where}.state")
    if len(set(pool.tokens)) < len(pool.tokens):
        raise WrongValue(f"{where}.state.tokens: a token stands there twice")
    return Recorded(pool, block)


def _left_out(raw: Any, where: str) -> LeftOut:
    given = require_object(raw, where)
    require_fields(given, {"venue", "reason"}, where)
    return LeftOut(text(given["venue"], f"{where}.venue"), text(given["reason"], f"{where}.reason"))


def _list(raw: Any, where: str) -> Sequence[Any]:
    if not isinstance(raw, list):
        raise WrongValue(f"{where}: it is not a list")
    return raw
