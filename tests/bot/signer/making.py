"""A policy, plans and requests that the signer accepts, to be changed one thing at a time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.plan import Order, Plan, Side, Swap, encode_plan
from bot.signer.key import SigningKey
from bot.signer.policy import EXECUTOR_SELECTORS, WETH_MARK, SignerPolicy, StrategyLimits, Target, TransactionCaps
from bot.signer.protocol import HEADER_BYTES, Response, Settle, SignRequest, StatusRequest, frame
from bot.signer.service import Signer
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import Fees, UnsignedTransaction
from chains import executor
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.executor import Hop, HopKind

GWEI = 10**9
ETHER = 10**18

SECRET = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
OPERATOR = SigningKey(SECRET).address

EXECUTOR = address("0x" + "e1" * 20)
INVENTORY = address("0x" + "e2" * 20)
CODE_HASH = "0x" + "ab" * 32
OTHER = address("0x" + "0f" * 20)

WETH = Token("ethereum", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "WETH", 18)
USDC = Token("ethereum", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "USDC", 6)
DAI = Token("ethereum", "0x6B175474E89094C44Da98b954EedeAC495271d0F", "DAI", 18)
ETH_AT_BINANCE = Token("binance", "ETH", "ETH", 8)
USDT_AT_BINANCE = Token("binance", "USDT", "USDT", 8)

V2_POOL = address("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc")
V3_POOL = address("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640")

CYCLES = "dex_arbitrage"
EXCHANGES = "cex_dex_arbitrage"

HEAD = 1000
BLOCK_HASH = "0x" + "11" * 32
NOW_S = 1_700_000_000.0
FEES = Fees(gas_limit=300_000, max_fee_wei=40 * GWEI, tip_wei=GWEI)
GAS_USED, GAS_PRICE_WEI = 200_000, 20 * GWEI
GAS_COST_WEI = GAS_USED * GAS_PRICE_WEI
GAIN = 10**16
WORST_CASE_WEI = FEES.worst_cost_wei
EXCHANGE_WORST_WEI = WORST_CASE_WEI + ETHER // 100

LIMITS = StrategyLimits(
    per_trade_wei=2 * ETHER,
    hour_loss_wei=2 * ETHER,
    day_loss_wei=5 * ETHER,
    day_gas_wei=ETHER,
    min_profit_wei=10**15,
)

POLICY = SignerPolicy(
    chain_id=31337,
    test_chain=True,
    network="ethereum",
    operator=OPERATOR,
    targets={EXECUTOR: Target(CODE_HASH, INVENTORY)},
    selectors=EXECUTOR_SELECTORS,
    profit_marks={Address(WETH.address): WETH_MARK},
    inventory_caps={Address(WETH.address): 10 * ETHER, Address(USDC.address): 20_000 * 10**6},
    pools=frozenset({V2_POOL, V3_POOL}),
    caps=TransactionCaps(
        max_gas_limit=1_000_000,
        max_fee_wei=100 * GWEI,
        max_tip_wei=5 * GWEI,
        max_deadline_blocks=5,
        max_verdict_age_s=12.0,
        max_slippage_ppm=5_000,
        exchange_loss_ppm=10_000,
        max_drift_ppm=250_000,
    ),
    strategies={CYCLES: LIMITS, EXCHANGES: LIMITS},
    inventory_marks={Address(WETH.address): WETH_MARK, Address(USDC.address): WETH_MARK * 10**12 // 2_000},
)


def swap(kind: HopKind, pool: Address, token_in: Token, token_out: Token, amount_in: int, amount_out: int) -> Swap:
    hop = Hop(kind, pool, zero_for_one=token_in.address.lower() < token_out.address.lower(), fee_ppm=3000)
    return Swap(hop, token_in, token_out, amount_in, amount_out)


CYCLE = Plan(
    strategy=CYCLES,
    network="ethereum",
    legs=(
        swap(HopKind.CONSTANT_PRODUCT, V2_POOL, WETH, USDC, ETHER, 2_000 * 10**6),
        swap(HopKind.CONCENTRATED, V3_POOL, USDC, WETH, 2_000 * 10**6, ETHER + GAIN),
    ),
    atomic=True,
    expected_profit_wei=GAIN,
    min_profit_wei=10**15,
    gas_estimate=GAS_USED,
    block_number=HEAD,
    block_hash=BLOCK_HASH,
    deadline_block=HEAD + 2,
)

EXCHANGE = dataclasses.replace(
    CYCLE,
    strategy=EXCHANGES,
    legs=(
        swap(HopKind.CONSTANT_PRODUCT, V2_POOL, WETH, USDC, ETHER, 2_000 * 10**6),
        Order(
            "binance",
            "ETH/USDT",
            Side.BUY,
            ETH_AT_BINANCE,
            USDT_AT_BINANCE,
            amount=10**8,
            limit_price=Decimal("1980.5"),
            expected_quote=1_980 * 10**8,
        ),
    ),
    atomic=False,
)


@dataclass
class HandClock:
    """A clock moved by hand."""

    now_s: float = NOW_S
    set_by_s: float = 0.0

    def wall_s(self) -> float:
        return self.now_s + self.set_by_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * 10**9)


def transaction_of(request: SignRequest, plan: Plan, policy: SignerPolicy = POLICY) -> UnsignedTransaction:
    """The transaction as the engine would build it for the simulator."""
    return UnsignedTransaction(
        chain_id=policy.chain_id,
        nonce=request.nonce,
        sender=request.sender,
        to=request.target,
        value_wei=0,
        data=executor.encode(plan.executor_call(request.min_gain, request.min_out)),
        gas_limit=request.fees.gas_limit,
        max_fee_wei=request.fees.max_fee_wei,
        tip_wei=request.fees.tip_wei,
    )


def verdict_for(plan: Plan, tx_digest: str, **changes: Any) -> Verdict:
    first, last = plan.swaps[0], plan.swaps[-1]
    if plan.atomic:
        deltas = {(EXECUTOR, Address(WETH.address)): last.amount_out - first.amount_in}
    else:
        deltas = {
            (INVENTORY, Address(first.token_in.address)): -first.amount_in,
            (INVENTORY, Address(last.token_out.address)): last.amount_out,
        }
    verdict = Verdict(
        outcome=Outcome.OK,
        tx_digest=tx_digest,
        block_number=HEAD,
        block_hash=BLOCK_HASH,
        gas_used=GAS_USED,
        gas_price_wei=GAS_PRICE_WEI,
        deltas={**deltas, (OPERATOR, ZERO_ADDRESS): -GAS_COST_WEI},
        made_at_s=NOW_S - 1,
        code_hash=CODE_HASH,
    )
    return dataclasses.replace(verdict, **changes)


def ask(
    plan: Plan = CYCLE, *, verdict: dict[str, Any] | None = None, simulated: bool = True, **changes: Any
) -> SignRequest:
    """A request to sign `plan`, its verdict about the very transaction asked for; then `verdict`'s changes.

    `simulated=False` leaves the verdict of the unchanged request, for what cannot be built at all.
    """
    request = SignRequest(
        intent_id="intent-1",
        chain_id=31337,
        sender=OPERATOR,
        target=EXECUTOR,
        code_hash=CODE_HASH,
        plan=encode_plan(plan),
        min_gain=GAIN if plan.atomic else 0,
        min_out=0 if plan.atomic else 1_995 * 10**6,
        nonce=7,
        fees=FEES,
        worst_case_wei=WORST_CASE_WEI if plan.atomic else EXCHANGE_WORST_WEI,
        head_number=HEAD,
        verdict=verdict_for(plan, ""),
    )
    request = dataclasses.replace(request, **changes)
    digest = transaction_of(request, plan).digest if simulated else ""
    verdict_said = dataclasses.replace(verdict_for(plan, digest), **(verdict or {}))
    return dataclasses.replace(request, verdict=verdict_said)


def answer(signer: Signer, request: SignRequest | Settle | StatusRequest) -> Response:
    """The signer's answer to a message as it comes over the socket."""
    return signer.answer(frame(request)[HEADER_BYTES:])
