"""Builders the ledger's tests share: a clock that stands still, plans, receipts, a ledger ready to trade."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent, Mark, WorstCase
from bot.ledger.states import least_bump
from bot.mode import Mode
from bot.plan import Order, Plan, Side, Swap
from bot.transaction import Fees
from chains.assets import Address, Token
from chains.blocks import Receipt
from chains.executor import Hop, HopKind

NETWORK = "twin"
SENDER = Address("0x1111111111111111111111111111111111111111")
EXECUTOR = Address("0x2222222222222222222222222222222222222222")
POOL = Address("0x3333333333333333333333333333333333333333")
WETH = Token(NETWORK, "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "WETH", 18)
USDT = Token(NETWORK, "0xdAC17F958D2ee523a2206206994597C13D831ec7", "USDT", 6)
BINANCE_ETH = Token("binance", "ETH", "ETH", 8)
BINANCE_USDT = Token("binance", "USDT", "USDT", 8)

ETHER = 10**18
GWEI = 10**9
ETH_IN_USDT = 2000
FEES = Fees(gas_limit=300_000, max_fee_wei=20 * GWEI, tip_wei=GWEI)
WORST = WorstCase(loss_wei=FEES.worst_cost_wei, gas_wei=FEES.worst_cost_wei)
INSTANCE = "0xgenesis"
START_S = 1_700_000_000

MARKS = (
    Mark(NETWORK, WETH.address, Fraction(1)),
    Mark(NETWORK, USDT.address, Fraction(ETHER, ETH_IN_USDT * 10**6)),
    Mark("binance", "ETH", Fraction(10**10)),
    Mark("binance", "USDT", Fraction(ETHER, ETH_IN_USDT * 10**8)),
)

NATIVE = Account.native(NETWORK, SENDER)
INVENTORY_WETH = Account.of(EXECUTOR, WETH)
INVENTORY_USDT = Account.of(EXECUTOR, USDT)
SPOT_ETH = Account.of("spot", BINANCE_ETH)
SPOT_USDT = Account.of("spot", BINANCE_USDT)


@dataclass
class StandingClock:
    """Moves only when a test moves it."""

    seconds: float = START_S

    def wall_s(self) -> float:
        return float(self.seconds)

    def monotonic_ns(self) -> int:
        return int(self.seconds * 10**9)


def atomic_plan(number: int, strategy: str = "dex_arbitrage") -> Plan:
    """Sells WETH for USDT and back; `number` tells one decision from another."""
    there = Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 3000)
    back = Hop(HopKind.CONCENTRATED, POOL, False, 500)
    legs = (
        Swap(there, WETH, USDT, ETHER, 2010 * 10**6),
        Swap(back, USDT, WETH, 2010 * 10**6, ETHER + 5 * 10**15),
    )
    return Plan(
        strategy, NETWORK, legs, True, 5 * 10**15, 10**15, 200_000, number, hash_of("block", number), number + 2
    )


def sell_plan(number: int, strategy: str = "cex_dex_arbitrage") -> Plan:
    """Sells one ETH for USDT on chain and buys it back at the exchange."""
    swap = Swap(Hop(HopKind.CONCENTRATED, POOL, True, 500), WETH, USDT, ETHER, 2010 * 10**6)
    legs = (swap, hedge_order())
    return Plan(
        strategy, NETWORK, legs, False, 5 * 10**15, 10**15, 150_000, number, hash_of("block", number), number + 2
    )


def hedge_order() -> Order:
    return Order("binance", "ETH/USDT", Side.BUY, BINANCE_ETH, BINANCE_USDT, 10**8, Decimal("2001.50"), 2000 * 10**8)


def hash_of(kind: str, number: int) -> str:
    return f"0x{kind.encode().hex():0>24}{number:040x}"


def receipt(number: int, *, status: int = 1, block: str | None = None, gas_price_wei: int = 10 * GWEI) -> Receipt:
    """The receipt of transaction `number`, 150,000 gas, mined in the block of the same number unless told."""
    block_hash = block or hash_of("mined", number)
    return Receipt(hash_of("tx", number), number + 1, block_hash, 0, status, 150_000, gas_price_wei, ())


GAS_COST_WEI = receipt(0).gas_cost_wei


def open_ledger(url: Path | str, *, start: bool = True) -> Ledger:
    """A ledger at `url`; started, with marks, opening balances and the sender's first nonce 0."""
    ledger = Ledger.open(str(url), StandingClock())
    if start:
        begin(ledger)
    return ledger


def begin(ledger: Ledger, instance: str = INSTANCE) -> None:
    ledger.start_run(Mode.LIVE, NETWORK, 31337, 7, "digest", instance)
    ledger.at_head(1, START_S)
    ledger.set_marks(MARKS)
    ledger.set_first_nonce(SENDER, 0)
    ledger.open_account(NATIVE, 10 * ETHER)
    ledger.open_account(INVENTORY_WETH, 5 * ETHER)
    ledger.open_account(INVENTORY_USDT, 10_000 * 10**6)
    ledger.open_account(SPOT_ETH, 5 * 10**8)
    ledger.open_account(SPOT_USDT, 10_000 * 10**8)


def pending(ledger: Ledger, number: int, plan: Plan | None = None, worst: WorstCase = WORST) -> Intent:
    """An intent of transaction `number`, sent and known to a node."""
    intent = ledger.reserve(plan or atomic_plan(number), SENDER, ledger.next_nonce(SENDER), worst, FEES)
    ledger.record_signed(intent.id, b"raw", hash_of("tx", number))
    ledger.mark_sending(intent.id)
    ledger.mark_pending(intent.id)
    return ledger.intent(intent.id)


def bumped(fees: Fees) -> Fees:
    """The least fees with which nodes take a replacement."""
    return Fees(fees.gas_limit, least_bump(fees.max_fee_wei), least_bump(fees.tip_wei))
