"""What was measured of a token: a plain value that goes into the ledger and out of it unchanged. No I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from chains.assets import Address


class Standing(StrEnum):
    """Whether a token may be held. Only what was measured, and found exact, is supported."""

    SUPPORTED = "supported"
    REFUSED = "refused"
    UNTESTED = "untested"


class Oddity(StrEnum):
    """Why a token is refused. The value is what the ledger and the JSON show."""

    BUY_TAX = "buy_tax"
    SELL_TAX = "sell_tax"
    TRANSFER_TAX = "transfer_tax"
    BUY_BLOCKED = "buy_blocked"
    SELL_BLOCKED = "sell_blocked"
    TRANSFER_BLOCKED = "transfer_blocked"
    AMOUNT_LIMIT = "amount_limit"
    COOLDOWN = "cooldown"
    PAUSED = "paused"
    BLACKLISTED = "blacklisted"
    REBASING = "rebasing"
    CALLBACK = "callback"
    CALLS_OTHERS = "calls_others"
    SHARED_BALANCES = "shared_balances"
    ANSWERS_FALSE = "answers_false"
    RETURN_BOMB = "return_bomb"
    GAS_HUNGRY = "gas_hungry"
    EVENTS_DIFFER = "events_differ"
    SELF_TRANSFER = "self_transfer"
    SIMULATION_AWARE = "simulation_aware"
    UNKNOWN_PROXY = "unknown_proxy"
    UNKNOWN_DECIMALS = "unknown_decimals"
    NOT_A_TOKEN = "not_a_token"  # noqa: S105


class ReturnStyle(StrEnum):
    """What `transfer` answers when it has moved the amount."""

    TRUE = "true"
    NOTHING = "nothing"
    FALSE = "false"
    OTHER = "other"
    UNKNOWN = "unknown"


class ApprovalStyle(StrEnum):
    """Which changes of an approval go through."""

    ANY = "any"
    ZERO_FIRST = "zero_first"
    NEVER_ZERO = "never_zero"
    NONE = "none"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Taxes:
    """The worst difference seen between what was asked to move and what arrived, in ppm; below zero it was a gift.

    Rounded away from zero, so that 0 means exact to the base unit. None: that way could not be measured.
    """

    buy_ppm: int | None = None
    sell_ppm: int | None = None
    transfer_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """What a token runs: code hashes, as hex, by address, its own first, and those of whatever it asks or delegates to.

    `implementation` is where the proxy slots of EIP-1967 (also its beacon's) or of zOS lead to, if they are in use.
    """

    hashes: Mapping[Address, str] = field(default_factory=dict)
    implementation: Address | None = None


@dataclass(frozen=True, slots=True)
class TokenReport:
    """How `token` of network `place` behaved on a fork of `block_hash`, traded for `base` in `pool`.

    `rebasing_ppm` is the greatest change of a balance nobody touched over a day. `transfer_gas` is the most gas a
    transfer used, its balance reads included. `notes` say for a person what the oddities are.
    """

    place: str
    token: Address
    block_number: int
    block_hash: str
    standing: Standing
    oddities: tuple[Oddity, ...] = ()
    notes: tuple[str, ...] = ()
    pool: Address | None = None
    base: Address | None = None
    decimals: int | None = None
    taxes: Taxes = Taxes()
    rebasing_ppm: int = 0
    returns: ReturnStyle = ReturnStyle.UNKNOWN
    approvals: ApprovalStyle = ApprovalStyle.UNKNOWN
    zero_transfer: bool | None = None
    pausable: bool = False
    blacklist: bool = False
    flash_mintable: bool = False
    callbacks: bool = False
    transfer_gas: int = 0
    code: Code = field(default_factory=Code)

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        document = dataclasses.asdict(self)
        document["code"]["hashes"] = dict(self.code.hashes)
        return document

    def lapsed(self, why: str, block_number: int, block_hash: str) -> TokenReport:
        """The same token, untested again since that block."""
        return dataclasses.replace(
            self,
            standing=Standing.UNTESTED,
            oddities=(),
            notes=(why,),
            block_number=block_number,
            block_hash=block_hash,
        )


class InvalidReport(ValueError):
    """Bytes that are not a token report."""


def encode_report(report: TokenReport) -> bytes:
    """Canonical JSON: sorted keys."""
    return orjson.dumps(report.document(), option=orjson.OPT_SORT_KEYS)


def decode_report(data: bytes) -> TokenReport:
    """The inverse of `encode_report`. Raises `InvalidReport` unless encoding the result gives `data` again."""
    try:
        document = orjson.loads(data)
        report = TokenReport(
            **{
                **document,
                "standing": Standing(document["standing"]),
                "oddities": tuple(map(Oddity, document["oddities"])),
                "notes": tuple(document["notes"]),
                "taxes": Taxes(**document["taxes"]),
                "returns": ReturnStyle(document["returns"]),
                "approvals": ApprovalStyle(document["approvals"]),
                "code": Code(**document["code"]),
            }
        )
        unchanged = encode_report(report) == data
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidReport(f"not a token report: {error}") from error
    if not unchanged:
        raise InvalidReport("not a token report in canonical form")
    return report
