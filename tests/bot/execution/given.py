"""A small market, its marks, a ledger and an exchange that follows a script: what execution's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from bot.execution.accounting import leg_fills
from bot.execution.debts import HedgePolicy
from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.execution.marks import Marks
from bot.execution.transactions import Settled
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent, Mark, SwapFill, WorstCase
from bot.market import Market
from bot.mode import Mode
from bot.plan import Order, Plan, Side, Swap
from bot.transaction import Fees
from chains.assets import Address, Token
from chains.blocks import Head, Log, Receipt
from chains.exchanges.books import Book
from chains.exchanges.orders import ExchangeOrder, Fill, OrderReport, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable
from chains.pools.pool import Pool
from chains.pools.words import word
from tests.bot.ledger.given import ETHER, GWEI, StandingClock, hash_of
from tests.bot.market import samples
from tests.bot.market.samples import ASSETS, DAI, ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WETH
from tests.bot.signer.making import OPERATOR

NETWORK = "twin"
STRATEGY = "cex_dex_arbitrage"
EXECUTOR = Address("0x3333333333333333333333333333333333333333")
INVENTORY = Address("0x2222222222222222222222222222222222222222")
TAKER_FEE_PPM = 1_000
KEY_REFUSED = "binance refuses the API key"
TRANSFER = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")

MARKS = Marks(
    {
        WETH: Fraction(1),
        USDC: Fraction(ETHER, 2000 * 10**6),
        DAI: Fraction(1, 2000),
        ETH_AT_EXCHANGE: Fraction(10**10),
        USD_AT_EXCHANGE: Fraction(ETHER, 2000 * 10**8),
    }
)
FEES = Fees(gas_limit=300_000, max_fee_wei=20 * GWEI, tip_wei=GWEI)
WORST = WorstCase(loss_wei=FEES.worst_cost_wei, gas_wei=FEES.worst_cost_wei, capital_wei=ETHER)

POOL: Pool = samples.v2(1, WETH, USDC, (1_000 * ETHER, 2_010_000 * 10**6), fee_ppm=500)
BOOK = samples.book([("1999", "50")], [("2000", "50")], fee_ppm=TAKER_FEE_PPM)


def market(*, book: Book = BOOK) -> Market:
    return samples.market(POOL, book)


def head(number: int) -> Head:
    return Head(number, hash_of("block", number), hash_of("block", number - 1), 1_700_000_000 + number, GWEI, 0, 1)


def sells_on_chain(number: int = 10, weth: int = ETHER) -> Plan:
    """Sells `weth` for USDC in the pool, and buys as much back at the exchange."""
    return _plan(number, WETH, USDC, weth, Side.BUY, weth // 10**10)


def buys_on_chain(number: int = 10, usdc: int = 2_000 * 10**6) -> Plan:
    """Buys WETH with `usdc` in the pool, and sells it at the exchange."""
    got = POOL.quote(USDC, usdc) // 10**10
    return _plan(number, USDC, WETH, usdc, Side.SELL, got - got % BOOK.lot)


def _plan(number: int, token_in: Token, token_out: Token, amount_in: int, side: Side, base_units: int) -> Plan:
    swap = Swap(POOL.hop(token_in), token_in, token_out, amount_in, POOL.quote(token_in, amount_in))
    price = Decimal(2000)
    order = Order("binance", "ETH/USDT", side, ETH_AT_EXCHANGE, USD_AT_EXCHANGE, base_units, price, base_units * 2000)
    return Plan(
        strategy=STRATEGY,
        network=NETWORK,
        legs=(swap, order),
        atomic=False,
        expected_profit_wei=5 * 10**15,
        min_profit_wei=10**15,
        gas_estimate=95_000,
        block_number=number,
        block_hash=hash_of("block", number),
        deadline_block=number + 1,
    )


def cycle(number: int = 10, profit_wei: int = 5 * 10**15, min_profit_wei: int = 10**15) -> Plan:
    """One WETH through the pool and back, gaining `profit_wei`."""
    dollars = POOL.quote(WETH, ETHER)
    there = Swap(POOL.hop(WETH), WETH, USDC, ETHER, dollars)
    back = Swap(POOL.hop(USDC), USDC, WETH, dollars, ETHER + profit_wei)
    return Plan(
        "dex_arbitrage",
        NETWORK,
        (there, back),
        True,
        profit_wei,
        min_profit_wei,
        150_000,
        number,
        hash_of("block", number),
        number + 1,
    )


def open_ledger(path: Path) -> Ledger:
    """A ledger with marks, and with balances on both sides: 20 WETH, 40,000 USDC, 20 ETH, 40,000 USDT."""
    ledger = Ledger.open(str(path), StandingClock())
    begin(ledger)
    ledger.set_first_nonce(OPERATOR, 0)
    for account, units in {
        Account.native(NETWORK, OPERATOR): 10 * ETHER,
        Account.of(INVENTORY, WETH): 20 * ETHER,
        Account.of(INVENTORY, USDC): 40_000 * 10**6,
        Account.of("binance", ETH_AT_EXCHANGE): 20 * 10**8,
        Account.of("binance", USD_AT_EXCHANGE): 40_000 * 10**8,
    }.items():
        ledger.open_account(account, units)
    return ledger


def begin(ledger: Ledger) -> None:
    """Start a run on the same instance: the first, or one after a crash."""
    ledger.start_run(Mode.LIVE, NETWORK, 31337, 7, "digest", "instance")
    ledger.at_head(10, 1_700_000_010)
    ledger.set_marks([Mark(token.place, token.address, worth) for token, worth in MARKS.wei_per_unit.items()])


def inventory(ledger: Ledger, *, weth_cap: int = 10 * ETHER, usdc_cap: int = 20_000 * 10**6) -> InventoryDesk:
    return InventoryDesk(
        ledger=ledger,
        holder=INVENTORY,
        caps={WETH: weth_cap, USDC: usdc_cap},
        currencies=(ETH_AT_EXCHANGE, USD_AT_EXCHANGE),
    )


def pending(ledger: Ledger, plan: Plan, worst: WorstCase = WORST) -> Intent:
    """`plan` as an intent that was signed and sent."""
    nonce = ledger.next_nonce(OPERATOR)
    intent = ledger.reserve(plan, OPERATOR, nonce, worst, FEES)
    ledger.record_signed(intent.id, b"raw", hash_of("tx", intent.id))
    ledger.mark_sending(intent.id)
    ledger.mark_pending(intent.id)
    return ledger.intent(intent.id)


def receipt(
    intent: Intent, number: int, *, status: int = 1, logs: tuple[Log, ...] = (), block: str | None = None
) -> Receipt:
    """The receipt of `intent`'s transaction in block `number`: 100,000 gas at 10 gwei."""
    block_hash = block or hash_of("block", number)
    return Receipt(hash_of("tx", intent.id), number, block_hash, 0, status, 100_000, 10 * GWEI, logs)


def moved(token: Token, source: Address, target: Address, units: int) -> Log:
    """An ERC-20 `Transfer`."""
    topics = (TRANSFER, bytes(12) + bytes.fromhex(source[2:]), bytes(12) + bytes.fromhex(target[2:]))
    return Log(Address(token.address), topics, word(units), 1, "", "", 0, 0)


def settle(ledger: Ledger, intent: Intent, plan: Plan, number: int, *, status: int = 1) -> Settled:
    """Book `plan`'s chain side in block `number`, exactly as planned."""
    first, last = plan.swaps[0], plan.swaps[-1]
    logs = (
        moved(first.token_in, INVENTORY, first.hop.pool, first.amount_in),
        moved(last.token_out, last.hop.pool, INVENTORY, last.amount_out),
    )
    mined = receipt(intent, number, status=status, logs=logs if status else ())
    deltas = {}
    if status:
        deltas = {
            Account.of(INVENTORY, first.token_in): -first.amount_in,
            Account.of(INVENTORY, last.token_out): last.amount_out,
        }
    swaps: list[SwapFill] = leg_fills(plan, mined, [INVENTORY])
    return Settled(ledger.record_mined(intent.id, mined, deltas, swaps), plan, mined, {}, 0, mined.gas_cost_wei)


Reply = Callable[[ExchangeOrder], OrderReport]


class ScriptedExchange:
    """Answers each order as the script says, and lookups by what `known` holds. Keeps what it was sent."""

    def __init__(self, replies: Iterable[Reply] = ()) -> None:
        self.name = "binance"
        self.replies = list(replies)
        self.placed: list[ExchangeOrder] = []
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.before: list[ExchangeOrder] = []
        self.known: dict[str, OrderReport] = {}
        self.reachable = True
        self.has = {"ETH": 10**18, "USDT": 10**18}
        self.asked_what_is_free = 0
        self.key_refused = False

    async def place(self, order: ExchangeOrder) -> OrderReport:
        self.placed.append(order)
        return self.replies.pop(0)(order)

    def sent_before(self, order: ExchangeOrder) -> None:
        self.before.append(order)

    async def find(self, client_id: str, symbol: str) -> OrderReport | None:
        self.asked.append(client_id)
        if not self.reachable:
            raise ExchangeUnavailable("binance does not answer")
        return self.known.get(client_id)

    async def cancel(self, client_id: str, symbol: str) -> OrderReport | None:
        """An order that was open ends with what it has traded."""
        self.cancelled.append(client_id)
        open_one = await self.find(client_id, symbol)
        if open_one is not None and open_one.status is OrderStatus.OPEN:
            self.known[client_id] = replace(open_one, status=OrderStatus.CANCELLED)
        return self.known.get(client_id)

    async def balances(self) -> dict[str, int]:
        return {}

    async def free(self) -> dict[str, int]:
        self.asked_what_is_free += 1
        if not self.reachable:
            raise ExchangeUnavailable("binance does not answer")
        if self.key_refused:
            raise ExchangeMisconfigured(KEY_REFUSED)
        return self.has


def report(order: ExchangeOrder, status: OrderStatus, filled: int = 0, *, price: int = 2000) -> OrderReport:
    """`filled` base units at `price`, with the taker fee in what is received."""
    fills: tuple[Fill, ...] = ()
    if filled:
        cost = filled * price
        gross, currency = (cost, "USDT") if order.side == "sell" else (filled, "ETH")
        fee = -(-gross * TAKER_FEE_PPM // 10**6)
        fills = (Fill(f"t-{order.client_id}", Decimal(price), filled, cost, currency, fee),)
    return OrderReport(order.client_id, order.symbol, order.side, status, f"x-{order.client_id}", fills, "as scripted")


def fills_all(order: ExchangeOrder) -> OrderReport:
    return report(order, OrderStatus.FILLED, order.amount)


def fills(units: int) -> Reply:
    """Fills `units` of the order, and cancels the rest."""
    return lambda order: report(order, OrderStatus.CANCELLED, units)


def fills_nothing(order: ExchangeOrder) -> OrderReport:
    return report(order, OrderStatus.CANCELLED)


def rejects(order: ExchangeOrder) -> OrderReport:
    return report(order, OrderStatus.REJECTED)


def says_nothing(order: ExchangeOrder) -> OrderReport:
    return report(order, OrderStatus.UNKNOWN)


def desk(
    ledger: Ledger, exchange: ScriptedExchange, *, on: Market | None = None, spending: InventoryDesk | None = None
) -> HedgeDesk:
    return HedgeDesk(
        market=on or market(),
        assets=ASSETS,
        ledger=ledger,
        exchanges={"binance": exchange},
        inventory=spending or inventory(ledger),
        marks=MARKS,
        policies={STRATEGY: HedgePolicy(tolerance_ppm=1_000, deadline_blocks=3, unwind_loss_ppm=10_000)},
    )
