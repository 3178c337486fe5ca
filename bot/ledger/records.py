"""What goes into the ledger and comes out of it: plain frozen values, in base units, money in wei of ETH."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from bot.ledger.states import AttemptKind, Exposure, IntentState, MinedAs, OrderState, is_exposed
from bot.mode import Mode
from bot.plan import Side
from bot.transaction import Fees
from chains.assets import ZERO_ADDRESS, Address, Token


@dataclass(frozen=True, slots=True)
class Account:
    """Where our money lies: `owner` (an address, or an exchange account's name) holds `token` at `place`.

    `place` is a network's or an exchange's name, `token` a contract, `ZERO_ADDRESS` for the native coin, or an
    exchange's currency code: the same pair as `Token.place` and `Token.address`.
    """

    place: str
    owner: str
    token: str

    @classmethod
    def of(cls, owner: str, token: Token) -> Account:
        return cls(token.place, owner, token.address)

    @classmethod
    def native(cls, place: str, owner: Address) -> Account:
        return cls(place, owner, ZERO_ADDRESS)

    def __str__(self) -> str:
        return f"{self.token} of {self.owner} at {self.place}"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most one plan can cost, reserved before it is signed. All wei of ETH at the opening marks.

    `gas_wei` is what gas limit x max fee cost. `loss_wei` is the most that may be lost, gas included: for an atomic
    plan just the gas, for a two-sided one also what unwinding at the worst allowed price may cost. `capital_wei` is
    the inventory in flight until the other side is done: 0 for an atomic plan, which borrows its input.
    """

    loss_wei: int
    gas_wei: int
    capital_wei: int = 0

    def __post_init__(self) -> None:
        if min(self.gas_wei, self.capital_wei) < 0 or self.loss_wei < self.gas_wei:
            raise ValueError(f"{self}: amounts are not negative, and the loss includes the gas")


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the bot. Runs with equal `instance` share balances, nonces and budgets."""

    id: int
    instance: str
    mode: Mode
    network: str
    chain_id: int
    seed: int | None
    started_ms: int
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A plan that may spend. `mined_as`, `block_number`, `block_hash` are the last canonical receipt's."""

    id: int
    plan_id: str
    strategy: str
    network: str
    chain_id: int
    sender: Address
    nonce: int
    state: IntentState
    two_sided: bool
    exposure: Exposure
    worst: WorstCase
    fees: Fees
    decided_block: int
    deadline_block: int
    reserved_head_s: int
    mined_as: MinedAs | None
    block_number: int | None
    block_hash: str | None

    @property
    def is_exposed(self) -> bool:
        """Whether inventory of it is out, as `bot.ledger.states.is_exposed` says."""
        return is_exposed(self.state, self.mined_as, self.exposure)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Signed bytes of an intent. The same bytes may be sent again at any time, to any node.

    `state` is how far these bytes have come, in an intent's words.
    """

    intent_id: int
    number: int
    raw: bytes
    tx_hash: str
    fees: Fees
    kind: AttemptKind = AttemptKind.CALL
    state: IntentState = IntentState.SIGNED


@dataclass(frozen=True, slots=True)
class Successor:
    """Signed bytes that are to stand in place of an intent's newest attempt. `fees` may cost more than its own."""

    intent_id: int
    raw: bytes
    tx_hash: str
    fees: Fees
    kind: AttemptKind


@dataclass(frozen=True, slots=True)
class SwapFill:
    """What one swap of a mined transaction really did. `leg` counts from 0 in the plan; `pool` is its venue."""

    leg: int
    pool: Address
    token_in: str
    amount_in: int
    token_out: str
    amount_out: int


class Purpose(StrEnum):
    """Why an order was placed."""

    HEDGE = "hedge"
    UNWIND = "unwind"


@dataclass(frozen=True, slots=True)
class TradeFill:
    """One trade an exchange reported for an order: `base_units` against `quote_units`, both positive.

    The fee is taken in `fee_currency`, on top of these amounts. `trade_id` is the exchange's, unique there.
    """

    trade_id: str
    base_units: int
    quote_units: int
    fee_currency: str
    fee_units: int


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order the ledger knows. `owner` names the exchange account; `filled_units` is the base traded so far."""

    id: int
    client_id: str
    intent_id: int
    purpose: Purpose
    exchange: str
    owner: str
    symbol: str
    side: Side
    base: str
    quote: str
    amount: int
    limit_price: Decimal
    state: OrderState
    filled_units: int
    exchange_order_id: str | None


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a double-entry group: `units` more (or less) in `account`."""

    account: str
    place: str
    token: str
    units: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A price fixed at the opening: one base unit of `token` at `place` is worth `wei_per_unit` wei of ETH."""

    place: str
    token: str
    wei_per_unit: Fraction
