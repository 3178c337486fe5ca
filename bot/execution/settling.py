"""What passes between the desk's steps: who trades, what is to be signed, what left, what the chain made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.execution.build import Terms
from bot.execution.settings import NO_VENUES, Venues
from bot.ledger.records import Intent, WorstCase
from bot.plan import Plan
from bot.simulator.verdict import Verdict
from bot.transaction import Fees, UnsignedTransaction
from chains.assets import Address, Token
from chains.blocks import Log, Receipt


@dataclass(frozen=True, slots=True)
class Identity:
    """Who trades, and through which contracts. `code_hash` is keccak-256 of the executor's code (0x hex)."""

    chain_id: int
    network: str
    operator: Address
    executor: Address
    inventory: Address
    code_hash: str
    venues: Venues = NO_VENUES
    further_operators: tuple[Address, ...] = ()

    @property
    def operators(self) -> tuple[Address, ...]:
        """Every key that trades; `operator` is the first."""
        return self.operator, *self.further_operators

    @property
    def contracts(self) -> tuple[Address, Address]:
        return self.executor, self.inventory

    @property
    def accounts(self) -> tuple[Address, ...]:
        """All that is ours on the chain."""
        return *self.operators, *self.contracts


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan turned into the one transaction that settles it, not yet signed; its terms pay for `gas`.

    `data_gas` of it is what the chain charges as gas for the bytes, which a fork does not. `share_ppm` is the part of
    what the plan can spare that its tip is, 0 for a fixed tip.
    """

    plan: Plan
    terms: Terms
    fees: Fees
    worst: WorstCase
    transaction: UnsignedTransaction
    gas: int
    data_gas: int = 0
    share_ppm: int = 0

    def charged(self, verdict: Verdict) -> Verdict:
        """`verdict` with the gas that the chain will charge, not only what a fork measures."""
        return replace(verdict, gas_used=verdict.gas_used + self.data_gas) if self.data_gas else verdict


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that left, or may have left."""

    intent: Intent
    tx_hash: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """A transaction the chain has included. `profit_wei` is before gas; for two-sided plans, of the chain side.

    `gas_cost_wei` is what its gas costs, in wei of ETH. `suspects` are the tokens without a mark that it went through,
    where it reverted in time; None where it did not. `others` is what others did at its pools meanwhile, and `least`
    the base units that its routes together had to bring.
    """

    intent: Intent
    plan: Plan
    receipt: Receipt
    deltas: dict[tuple[Address, Address], int]
    profit_wei: int
    gas_cost_wei: int
    explanation: str = ""
    suspects: frozenset[Token] | None = None
    others: tuple[Log, ...] = ()
    least: int = 0
