"""The code of pools whose code can change: written down when it is first seen, and compared with at every start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from bot.safety.code import Rpc, difference, read_code
from bot.safety.report import Code
from chains.assets import Address
from chains.files import put_whole
from chains.node.wire import BlockRef
from chains.pools.pool import Pool
from chains.pools.registry import FAMILIES, Family

_AT_A_TIME = 16


class UnreadableCodeBook(ValueError):
    """A file that is not what `CodeBook` writes."""


class CodeBook:
    """Code by contract, in a JSON file. It holds for one network."""

    def __init__(self, file: Path, families: Mapping[str, Family] = FAMILIES) -> None:
        self._file = file
        self._families = families

    async def changed(self, pools: Iterable[Pool], rpc: Rpc, block: BlockRef) -> dict[str, str]:
        """Of which of `pools`, as of `block`, the code is not what it was when it was first seen, by venue; and why.

        Proxies that say nothing when they change are found too. What was never seen is written down. Raises
        `UnreadableCodeBook`, `OSError`, and what `rpc` raises.
        """
        speaking = {pool.venue: _contracts(pool) for pool in pools if not self._families[pool.family].fixed_code}
        if not speaking:
            return {}
        known = self._read()
        found = await _codes({at for contracts in speaking.values() for at in contracts}, rpc, block)
        others = {at: why for at, code in found.items() if at in known and (why := difference(known[at], code))}
        if found.keys() - known.keys():
            self._write({**found, **known})
        return {
            venue: f"{at}: {others[at]}; check what it does now, then delete its entry in {self._file}"
            for venue, contracts in speaking.items()
            for at in contracts
            if at in others
        }

    def _read(self) -> dict[Address, Code]:
        if not self._file.exists():
            return {}
        try:
            return {at: Code(**fields) for at, fields in orjson.loads(self._file.read_bytes()).items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise UnreadableCodeBook(f"{self._file}: {error}; restore it, or delete it to begin anew") from error

    def _write(self, codes: Mapping[Address, Code]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        document = {at: asdict(code) for at, code in codes.items()}
        put_whole(self._file, orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2))


def _contracts(pool: Pool) -> tuple[Address, ...]:
    """Whose code decides what the pool does."""
    return tuple(dict.fromkeys((pool.address, *(source.emitter for source in pool.sources))))


async def _codes(contracts: Iterable[Address], rpc: Rpc, block: BlockRef) -> dict[Address, Code]:
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def read(at: Address) -> tuple[Address, Code]:
        async with turn:
            return at, await read_code(rpc, at, (), block)

    answers: list[Any] = await asyncio.gather(*map(read, sorted(contracts)))
    return dict(answers)
