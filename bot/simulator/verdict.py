"""The simulator's answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.reasons import Reason
from chains.assets import Address

LEVELS_BPS = (10, 50, 100)
"""How far pools are moved, to see what a plan bears."""


@dataclass(frozen=True, slots=True)
class Screening:
    """How many plans were answered in this process first, and how many only the fork could answer.

    Not `possible` where this Python has no EVM: there the fork answers everything.
    """

    possible: bool
    answered: int = 0
    left: int = 0

    def __str__(self) -> str:
        if not self.possible:
            return "this Python has no EVM (pyrevm): every plan was run on the fork alone"
        return f"{self.answered} plans run in process first, {self.left} left to the fork"


class Outcome(StrEnum):
    """`INVALID` means the question could not be answered (a failed read, a dead fork): never traded, never zero."""

    OK = "ok"
    REVERTED = "reverted"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class IfMoved:
    """What a plan comes to behind trades that move each of its pools by `bps` against it.

    `left_wei` is what it leaves after gas, in wei of ETH: where it does not `settle`, the gas of a revert is lost.
    """

    bps: int
    left_wei: int
    settles: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What running the exact unsigned transaction on a fork of `block_hash` did.

    `tx_digest` is `UnsignedTransaction.digest` of what ran. `deltas` are base units by (account, token), the
    native coin under `ZERO_ADDRESS` (gas included). `gas_price_wei` is what the sender paid per gas there.
    `made_at_s` is wall time. `code_hash` is the keccak-256 of the code that was found at the transaction's target on
    that block (0x-prefixed hex); empty when it was not looked at, and then nothing is signed on this verdict.
    `cause` names what is wrong where that has a name of its own. `moved` is what its plan would come to behind others'
    trades, for plans of a size for which that is asked.
    """

    outcome: Outcome
    tx_digest: str
    block_number: int
    block_hash: str
    gas_used: int
    gas_price_wei: int
    deltas: Mapping[tuple[Address, Address], int] = field(default_factory=dict)
    reason: str = ""
    made_at_s: float = 0.0
    cause: Reason | None = None
    code_hash: str = ""
    moved: tuple[IfMoved, ...] = ()

    def delta(self, account: Address, token: Address) -> int:
        return self.deltas.get((account, token), 0)

    @property
    def gas_cost_wei(self) -> int:
        return self.gas_used * self.gas_price_wei

    @property
    def digest(self) -> str:
        """Hex of SHA-256 over everything it says: what a signature was given on can be shown later."""
        deltas = sorted((account, token, str(units)) for (account, token), units in self.deltas.items())
        said = (
            *(self.outcome, self.tx_digest, self.block_number, self.block_hash, self.gas_used, self.gas_price_wei),
            *(deltas, self.reason, self.made_at_s, self.code_hash, *self.moved),
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()
