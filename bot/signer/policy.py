"""What the signer permits: written by the engine's start, read once by the signer's. Everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path

from bot.gas import GasCoin
from bot.signer import wire
from bot.signer.forbidden import FORBIDDEN
from bot.signer.wire import InvalidMessage
from chains.assets import Address
from chains.create2 import created_at, pool_salt
from chains.executor import SELECTORS

TEST_CHAIN_IDS = frozenset({1337, 31337})
MAX_CHAIN_ID = 2**53
MILLION = 10**6

WETH_MARK = 10**18
"""The mark of a token worth exactly one wei per base unit."""

UNLIMITED_WEI = 2**127
UNLIMITED_COUNT = 2**31
"""Limits that nothing reaches. A policy file states every limit; only code may leave one out."""

EXECUTOR_SELECTORS = frozenset("0x" + selector.hex() for selector in SELECTORS)
"""Both of the executor's entries, as `SignerPolicy.selectors` names them."""

_CODE_HASH = re.compile(r"0x[0-9a-f]{64}")
_SELECTOR = re.compile(r"0x[0-9a-f]{8}")


class InvalidPolicy(ValueError):
    """A policy file that is missing, not in the expected form, or contradicts itself."""


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise InvalidPolicy(problem)


@dataclass(frozen=True, slots=True)
class Target:
    """An executor the signer may call: its pinned code hash (keccak-256), and the contract holding its inventory."""

    code_hash: str
    inventory: Address


@dataclass(frozen=True, slots=True)
class StrategyLimits:
    """What one strategy, or all of them together, may risk. Amounts are wei of ETH.

    - `per_trade_wei`: one intent's worst case.
    - `hour_loss_wei`, `day_loss_wei`, `day_gas_wei`: what sliding windows of an hour and a day lose, or spend on gas,
      the worst case of everything unsettled included; `lifetime_loss_wei` the same since the journal began.
    - `exposure_wei`: inventory committed to trades whose other side is not done.
    - `drawdown_wei`: how far the sum of results, at the worst case of what is unsettled, may lie below its highest.
    - `min_profit_wei`: the least a trade must leave after gas.
    - `failures_in_a_row`: losing trades without a winning one between; `transactions_a_minute`: signatures.
    - `pools`, `tokens`: the only ones it may touch; None means those of the policy.
    """

    per_trade_wei: int
    hour_loss_wei: int
    day_loss_wei: int
    day_gas_wei: int
    min_profit_wei: int
    lifetime_loss_wei: int = UNLIMITED_WEI
    exposure_wei: int = UNLIMITED_WEI
    drawdown_wei: int = UNLIMITED_WEI
    failures_in_a_row: int = UNLIMITED_COUNT
    transactions_a_minute: int = UNLIMITED_COUNT
    pools: frozenset[Address] | None = None
    tokens: frozenset[Address] | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            _require(not isinstance(value, int) or value >= 0, f"{each.name} is negative")


UNLIMITED = StrategyLimits(UNLIMITED_WEI, UNLIMITED_WEI, UNLIMITED_WEI, UNLIMITED_WEI, 0)
"""Limits in total that leave it to those of the strategies."""


@dataclass(frozen=True, slots=True)
class TransactionCaps:
    """Bounds on any one transaction. Fees are wei per gas.

    `max_deadline_blocks` is how far past the newest head a plan may live; `max_verdict_age_s` how old, by the wall
    clock, a simulation may be; `max_slippage_ppm` how far below its quote an exchange may settle.
    `exchange_loss_ppm` is the least part of the inventory it spends that an exchange must count as its worst case;
    `max_drift_ppm` how far below the marks of the policy it may settle. `max_value_wei` are coins sent along.
    """

    max_gas_limit: int
    max_fee_wei: int
    max_tip_wei: int
    max_deadline_blocks: int
    max_verdict_age_s: float
    max_slippage_ppm: int
    exchange_loss_ppm: int = 0
    max_drift_ppm: int = MILLION
    max_value_wei: int = 0

    def __post_init__(self) -> None:
        for each in fields(self):
            _require(getattr(self, each.name) >= 0, f"{each.name} is negative")
        _require(self.max_tip_wei <= self.max_fee_wei, "max_tip_wei exceeds max_fee_wei")
        for name in ("max_slippage_ppm", "exchange_loss_ppm", "max_drift_ppm"):
            _require(getattr(self, name) <= MILLION, f"{name} exceeds one million")


@dataclass(frozen=True, slots=True)
class Maker:
    """A factory whose pools are known by where they lie: CREATE2 from `deployer`, code of that hash, no other.

    `family` and `kinds` are those of `chains.networks.Factory`.
    """

    deployer: Address
    family: str
    init_code_hash: bytes
    kinds: tuple[int, ...]

    def makes(self, pool: Address, first: str, second: str) -> bool:
        """Whether `pool` is where this factory puts the pool of those two tokens, if it made one."""
        return any(
            pool == created_at(self.deployer, pool_salt(self.family, first, second, kind), self.init_code_hash)
            for kind in self.kinds
        )


@dataclass(frozen=True, slots=True)
class SignerPolicy:
    """Everything the signer may sign.

    `profit_marks` are the tokens a cycle may gain, with the worth of 10^18 base units in wei of ETH (`WETH_MARK`
    for WETH; a cautious mark for others). `inventory_caps` are the tokens an exchange may spend or receive, with the
    most base units one exchange may spend; `inventory_marks` what 10^18 of their base units are worth. `pools` are the
    pools a hop may touch, beside those that one of `makers` makes of the hop's tokens; None means any pool. `total`
    bounds all strategies together. `owner` is the account whose signed grants raise limits; None: nobody's do.
    `dead_man_s` is how long after the last proof that the books are true anything is signed; 0 asks for no such proof.
    `native_mark` is what one base unit of the coin that pays for gas is worth in wei of ETH.
    `further_operators` sign beside `operator`; all that is limited here is limited for all of them together.
    """

    chain_id: int
    test_chain: bool
    network: str
    operator: Address
    targets: Mapping[Address, Target]
    selectors: frozenset[str]
    profit_marks: Mapping[Address, int]
    inventory_caps: Mapping[Address, int]
    pools: frozenset[Address] | None
    caps: TransactionCaps
    strategies: Mapping[str, StrategyLimits]
    total: StrategyLimits = UNLIMITED
    makers: tuple[Maker, ...] = ()
    inventory_marks: Mapping[Address, int] = field(default_factory=dict)
    owner: Address | None = None
    dead_man_s: int = 0
    native_mark: Fraction = Fraction(1)
    further_operators: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        _require(0 < self.chain_id < MAX_CHAIN_ID, f"chain_id {self.chain_id} is out of range")
        _require(
            self.test_chain == (self.chain_id in TEST_CHAIN_IDS),
            f"test_chain is {self.test_chain}, but chain {self.chain_id} is not among the test chains"
            if self.test_chain
            else f"chain {self.chain_id} is a test chain; say test_chain = true",
        )
        for executor, target in self.targets.items():
            _require(
                _CODE_HASH.fullmatch(target.code_hash) is not None, f"{executor}: code_hash is not 32 bytes of hex"
            )
        for selector in self.selectors:
            _require(_SELECTOR.fullmatch(selector) is not None, f"selector {selector!r} is not 4 bytes of hex")
            _require(selector not in FORBIDDEN, f"selector {selector} is {FORBIDDEN.get(selector)}: never signed")
        for token, units in (*self.profit_marks.items(), *self.inventory_caps.items(), *self.inventory_marks.items()):
            _require(units >= 0, f"the mark or cap of {token} is negative")
        _require(self.owner not in self.operators, "the owner of grants is an operator; keep that key out of the bot")
        _require(len(set(self.operators)) == len(self.operators), "an operator is named twice")
        _require(self.dead_man_s >= 0, "dead_man_s is negative")
        _require(self.native_mark > 0, "native_mark is not above zero")

    @property
    def operators(self) -> tuple[Address, ...]:
        """Every account that may sign."""
        return self.operator, *self.further_operators

    @property
    def coin(self) -> GasCoin:
        """What the coin that pays for gas is worth."""
        return GasCoin(self.native_mark)


def encode_policy(policy: SignerPolicy) -> bytes:
    """The policy file's bytes: strict JSON, integers as decimal strings."""
    return wire.encode(policy)


def decode_policy(data: bytes) -> SignerPolicy:
    """The inverse of `encode_policy`. Raises `InvalidPolicy`; unknown keys are refused."""
    try:
        return wire.decode(SignerPolicy, data)
    except InvalidMessage as error:
        raise InvalidPolicy(str(error)) from None


def read_policy(path: Path) -> tuple[SignerPolicy, bytes]:
    """The policy at `path`, and the bytes it was read from. Raises `InvalidPolicy`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidPolicy(f"cannot read policy {path}: {error.strerror}") from None
    try:
        return decode_policy(data), data
    except InvalidPolicy as error:
        raise InvalidPolicy(f"policy {path}: {error}") from None
