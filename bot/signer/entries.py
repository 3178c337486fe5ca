"""What the signer's journal keeps: one signature, what became of it, and how both are written as a row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chains.assets import Address

COLUMNS = (
    *("chain_id", "sender", "nonce", "intent_id", "plan_id", "strategy", "worst_case_wei", "worst_gas_wei", "at_s"),
    *("tx_digest", "tx_hash", "raw", "exposure_wei", "draws", "verdict_digest"),
    *("gas_cost_wei", "profit_wei", "settled_at_s", "covered"),
)
"""A row's columns, in the order of `row_of`."""

INTENT_AT = COLUMNS.index("intent_id")
COVERED_AT = COLUMNS.index("covered")
_RAW_AT = COLUMNS.index("raw")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an intent really did: gas paid, and profit before gas (negative if it lost), in wei of ETH."""

    gas_cost_wei: int
    profit_wei: int
    at_s: float

    @property
    def loss_wei(self) -> int:
        """What it cost beyond what it earned; a profit never makes room for other losses."""
        return max(0, self.gas_cost_wei - self.profit_wei)

    def burned_wei(self, worst_gas_wei: int) -> int:
        """What of it counts as gas: all that it may have cost, where it is lost in no block that is known."""
        return min(self.loss_wei, worst_gas_wei) if self.abandoned else self.gas_cost_wei

    @property
    def abandoned(self) -> bool:
        """Whether no transaction is known to be included, which always costs gas: its nonce is free again."""
        return self.gas_cost_wei == 0

    @property
    def result_wei(self) -> int:
        """What it earned after gas."""
        return self.profit_wei - self.gas_cost_wei


@dataclass(frozen=True, slots=True)
class Draw:
    """The part of a worst case that only a grant allowed: `wei` beyond the limit named `limit`, under `grant_id`."""

    grant_id: str
    limit: str
    wei: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One signature. `worst_case_wei` stays reserved until `settlement` is known; `worst_gas_wei` is its gas part.

    `exposure_wei` is inventory whose other side is to come, `covered` that it came, in a block that is not final;
    `verdict_digest` what it was signed on.
    """

    chain_id: int
    sender: Address
    nonce: int
    intent_id: str
    plan_id: str
    strategy: str
    worst_case_wei: int
    worst_gas_wei: int
    at_s: float
    tx_digest: str
    tx_hash: str
    raw: bytes
    settlement: Settlement | None = None
    exposure_wei: int = 0
    draws: tuple[Draw, ...] = ()
    verdict_digest: str = ""
    covered: bool = False

    @property
    def exposed_wei(self) -> int:
        """What of its inventory still has another side to come."""
        return 0 if self.covered else self.exposure_wei


def row_of(entry: Entry) -> tuple[object, ...]:
    """The values of `COLUMNS`."""
    done = entry.settlement
    return (
        *(entry.chain_id, entry.sender, entry.nonce, entry.intent_id, entry.plan_id, entry.strategy),
        *(str(entry.worst_case_wei), str(entry.worst_gas_wei), entry.at_s, entry.tx_digest, entry.tx_hash, entry.raw),
        *(str(entry.exposure_wei), _plain_draws(entry.draws), entry.verdict_digest),
        *((None, None, None) if done is None else (str(done.gas_cost_wei), str(done.profit_wei), done.at_s)),
        int(entry.covered),
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """The inverse of `row_of`; what `row` holds besides is left alone."""
    value = dict(zip(COLUMNS, row, strict=False))
    settlement = None
    if value["settled_at_s"] is not None:
        settlement = Settlement(int(value["gas_cost_wei"]), int(value["profit_wei"]), value["settled_at_s"])
    return Entry(
        chain_id=value["chain_id"],
        sender=value["sender"],
        nonce=value["nonce"],
        intent_id=value["intent_id"],
        plan_id=value["plan_id"],
        strategy=value["strategy"],
        worst_case_wei=int(value["worst_case_wei"]),
        worst_gas_wei=int(value["worst_gas_wei"]),
        at_s=value["at_s"],
        tx_digest=value["tx_digest"],
        tx_hash=value["tx_hash"],
        raw=value["raw"],
        settlement=settlement,
        exposure_wei=int(value["exposure_wei"]),
        draws=tuple(Draw(grant_id, limit, int(wei)) for grant_id, limit, wei in orjson.loads(value["draws"])),
        verdict_digest=value["verdict_digest"],
        covered=bool(value["covered"]),
    )


def checksum_of(values: Sequence[object]) -> str:
    """SQLite does not check its pages: a row says by itself whether it is as it was written."""
    return hashlib.sha256(repr(list(values)).encode()).hexdigest()


def content_of(row: Sequence[object]) -> str:
    """A row as the chain keeps it, for who wants to know how it stood then; its checksum covers the bytes left out."""
    kept = {name: value for name, value in zip(COLUMNS, row, strict=True) if name != COLUMNS[_RAW_AT]}
    return orjson.dumps(kept).decode()


def _plain_draws(draws: tuple[Draw, ...]) -> str:
    return orjson.dumps([(draw.grant_id, draw.limit, str(draw.wei)) for draw in draws]).decode()
