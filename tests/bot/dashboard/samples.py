"""A run as the dashboard sees it: the recorded mainnet pools, and decisions that fall as time goes on."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bot.dashboard.source import (
    BudgetShown,
    Counters,
    Decision,
    DecisionDetail,
    Edge,
    EventShown,
    FillShown,
    Header,
    Hop,
    IntentShown,
    Limit,
    Node,
    OperatorKey,
    Picture,
    ProfitPoint,
    RefusalShown,
    State,
    Venue,
    VenueKind,
    VenueState,
    VerdictShown,
)
from bot.reasons import Reason
from chains.assets import Address
from chains.twin.data import RecordedPair, RecordedPool, snapshot

HOSTILE_SYMBOL = "<img src=x onerror=alert(1)>"
DEX, CEX = STRATEGIES = ("dex_arbitrage", "cex_dex_arbitrage")
FIRST_BLOCK = 17_675_949
WETH = Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
USDC = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
GWEI, ETHER = 10**9, 10**18
GAS_USED = 243_118
GAS_WEI = GAS_USED * 14 * GWEI

_REFUSALS = (
    (Reason.SIM_BELOW_MIN_PROFIT, "the verdict leaves 0.000310 ETH after gas, the strategy asks for 0.0005"),
    (Reason.POOL_IN_USE, "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640 is in an earlier plan of this block"),
    (Reason.BUDGET_HOUR_LOSS, "0.0941 of 0.1 ETH are used in this hour, and this plan may lose 0.0114 more"),
    (Reason.NO_INVENTORY, "1.2 ETH at binance are asked for, 0.431 are free"),
)
_BUDGET_WEI: Mapping[str, tuple[int, ...]] = {
    DEX: (5 * ETHER, ETHER // 5, ETHER // 10, ETHER // 2, ETHER // 4, ETHER // 2),
    CEX: (20 * ETHER, 2 * ETHER, ETHER // 5, ETHER, ETHER // 4, ETHER),
}
_LIMITS = ("capital", "per_trade", "hour_loss", "day_loss", "gas_day", "drawdown")


class SampleRun:
    """A `Source` whose run goes on by one block with `advance`. The same seed gives the same run."""

    def __init__(self, *, blocks: int = 0, seed: int = 1, started_s: float | None = None) -> None:
        self._random = random.Random(seed)
        self._started_s = time.time() - blocks if started_s is None else started_s
        self._picture = recorded_picture(150)
        self._changed: dict[str, int] = {}
        self._details: list[DecisionDetail] = []
        self._profit: dict[str, list[ProfitPoint]] = {name: [] for name in STRATEGIES}
        self._refused: Counter[str] = Counter()
        self._settled: Counter[str] = Counter()
        self._cycle: tuple[str, ...] = ()
        self.block = FIRST_BLOCK
        self.blocks = 0
        self.halted: dict[str, str] = {}
        self.operators: tuple[OperatorKey, ...] = ()
        self.broken: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.times_read = 0
        for _ in range(blocks):
            self.advance()

    def advance(self) -> None:
        """One more block: pools change, and up to three plans are decided."""
        self.block += 1
        self.blocks += 1
        self._settle()
        for edge in self._random.sample(list(self._picture.edges), 9):
            self._changed[edge.id] = self.block
        for _ in range(self._random.choice((0, 0, 1, 1, 2, 3))):
            self._decide()

    async def header(self) -> Header:
        self.times_read += 1
        await self.answers.wait()
        if self.broken is not None:
            raise self.broken
        started_ms = int(self._started_s * 1e3)
        return Header("live", "twin", 31337, STRATEGIES, started_ms, self.block, 0.2, self.halted, self.operators)

    async def counters(self) -> Counters:
        return Counters(
            heads=self.blocks,
            plans=len(self._details),
            sent=sum(detail.intent is not None for detail in self._details),
            settled=dict(self._settled),
            refused=dict(self._refused),
            head_to_signed_ms_p50=41.3,
            head_to_signed_ms_p99=88.6,
            node_calls=2 * self.blocks,
        )

    async def profit_series(self, after: int) -> Mapping[str, Sequence[ProfitPoint]]:
        return {name: [point for point in points if point.id > after] for name, points in self._profit.items()}

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        newest_first = (detail.decision for detail in reversed(self._details))
        return [decision for decision in newest_first if before is None or decision.id < before][:limit]

    async def open_decisions(self, also: Collection[int]) -> Sequence[Decision]:
        newest_first = (detail.decision for detail in reversed(self._details))
        return [decision for decision in newest_first if decision.state is State.PENDING or decision.id in also]

    async def decision(self, id: int) -> DecisionDetail | None:
        return self._details[id - 1] if id <= len(self._details) else None

    async def budgets(self) -> Sequence[BudgetShown]:
        used = {DEX: (0.0, 0.04, 0.941, 0.21, 0.37, 0.08), CEX: (0.24, 0.55, 0.12, 0.03, 0.12, 0.02)}
        return [
            BudgetShown(
                name,
                tuple(
                    Limit(limit, int(share * wei), wei)
                    for limit, share, wei in zip(_LIMITS, used[name], _BUDGET_WEI[name], strict=True)
                ),
                in_flight=1 if name == CEX else 0,
                halted_because=self.halted.get(name),
            )
            for name in STRATEGIES
        ]

    async def venues(self) -> Sequence[Venue]:
        changes = len(self._changed)
        venues = [
            Venue("node", "node", VenueKind.NODE, VenueState.FRESH, 0.2, changes=self.blocks),
            Venue("binance", "binance", VenueKind.EXCHANGE, VenueState.FRESH, 0.1, changes=self.blocks),
            Venue("binance:ETH/USDT", "ETH/USDT at binance", VenueKind.BOOK, VenueState.FRESH, 0.1, changes=901),
            Venue("binance:BTC/USDT", "BTC/USDT at binance", VenueKind.BOOK, VenueState.STALE, 14.2, changes=655,
                  detail="no update for 14 s"),
            Venue("v2", "Uniswap V2", VenueKind.POOLS, VenueState.FRESH, None, 0, changes, 1066),
            Venue("v3", "Uniswap V3", VenueKind.POOLS, VenueState.FRESH, None, 0, 2 * changes, 636),
            Venue("sushi", "Sushi V2", VenueKind.POOLS, VenueState.QUIET, None, 3, changes // 3, 78),
        ]  # fmt: skip
        if self.blocks % 4 != 1:  # now and then it is loaded again
            why = "a log of block 17675961 was not understood"
            name = f"{HOSTILE_SYMBOL}/WETH"
            venues.append(Venue("0x1", name, VenueKind.POOL, VenueState.REFUSED, None, 12, 1, detail=why))
        return venues

    async def events(self) -> Sequence[EventShown]:
        detail = "0xAbCd01 has 0.004 ETH, what is in flight and one more may cost 0.021; it is passed over"
        return [EventShown(1, int(self._started_s * 1e3), FIRST_BLOCK, "warning", "operator_short", detail)]

    async def graph(self) -> Picture:
        edges = [
            Edge(edge.id, edge.source, edge.target, edge.kind, edge.fee_ppm, edge.liquidity_wei,
                 self._changed.get(edge.id))
            for edge in self._picture.edges
        ]  # fmt: skip
        return Picture(self._picture.nodes, edges, self._cycle, self._picture.total_nodes, self._picture.total_venues)

    def _now_ms(self) -> int:
        return int((self._started_s + self.blocks) * 1_000)

    def _decide(self) -> None:
        strategy = DEX if self._random.random() < 0.72 else CEX
        edges = self._triangle() if strategy == DEX else [self._random.choice(self._picture.edges)]
        expected = int(self._random.lognormvariate(-4.9, 0.6) * ETHER)
        refused = self._random.random() < 0.45
        reason, detail = self._random.choice(_REFUSALS[: 3 if strategy == DEX else 4]) if refused else (None, None)
        if reason is not None:
            self._refused[reason] += 1
        symbols = self._walk(edges)
        decision = Decision(
            id=len(self._details) + 1,
            at_ms=self._now_ms(),
            block=self.block,
            strategy=strategy,
            state=State.REFUSED if refused else State.PENDING,
            route=" → ".join(symbols) if strategy == DEX else f"{symbols[0]} → {symbols[1]}, back at binance",
            expected_wei=expected,
            reason=reason,
            detail=detail,
        )
        self._details.append(self._detailed(decision, edges, symbols))

    def _triangle(self) -> list[Edge]:
        """Two parallel venues, or three that close: what an arbitrage trades through."""
        by_pair: dict[frozenset[int], list[Edge]] = {}
        for edge in self._picture.edges:
            by_pair.setdefault(frozenset((edge.source, edge.target)), []).append(edge)
        there = self._random.choice([edge for edge in self._picture.edges if 0 in (edge.source, edge.target)])
        middle = there.target if there.source == 0 else there.source
        thirds = [node.id for node in self._picture.nodes
                  if frozenset((middle, node.id)) in by_pair and frozenset((0, node.id)) in by_pair]  # fmt: skip
        if thirds:
            third = self._random.choice(thirds)
            return [there, by_pair[frozenset((middle, third))][0], by_pair[frozenset((0, third))][-1]]
        parallel = by_pair[frozenset((0, middle))]
        return [there, next((edge for edge in parallel if edge is not there), there)]

    def _walk(self, edges: Sequence[Edge]) -> list[str]:
        here, symbols = 0, [self._picture.nodes[0].symbol]
        for edge in edges:
            here = edge.target if edge.source == here else edge.source
            symbols.append(self._picture.nodes[here].symbol)
        return symbols

    def _detailed(self, decision: Decision, edges: Sequence[Edge], symbols: Sequence[str]) -> DecisionDetail:
        amount = ETHER
        hops = [
            Hop(edge.id, edge.kind, symbols[index], 18, amount - index, symbols[index + 1], 18, amount - index - 1,
                edge.fee_ppm)
            for index, edge in enumerate(edges)
        ]  # fmt: skip
        refused = decision.reason is not None
        verdict = VerdictShown("ok", decision.block, GAS_USED, 14 * GWEI, f"{decision.id:064x}")
        intent = IntentShown(
            decision.id, "pending", decision.id, 300_000, 20 * GWEI, GWEI, 1, "none", decision.block + 1, tx(decision)
        )
        return DecisionDetail(
            decision,
            plan_id=f"{decision.id:032x}",
            hops=hops,
            min_profit_wei=ETHER // 2_000,
            gas_estimate=250_000,
            deadline_block=decision.block + 1,
            verdicts=() if decision.reason in (Reason.POOL_IN_USE, Reason.BUDGET_HOUR_LOSS) else (verdict,),
            refusals=(RefusalShown(decision.at_ms, decision.reason, decision.detail or ""),) if decision.reason else (),
            intent=None if refused else intent,
        )

    def _settle(self) -> None:
        for index, detail in enumerate(self._details):
            decision = detail.decision
            if decision.state is not State.PENDING:
                continue
            realised = decision.expected_wei - GAS_WEI
            if self._random.random() < 0.14:
                realised = -GAS_WEI - decision.expected_wei // 2
            settled = replace(
                decision, state=State.SETTLED, realised_wei=realised, gas_wei=GAS_WEI, tx_hash=tx(decision)
            )
            fills = [
                FillShown(hop.venue, f"{tx(decision)}:{number}", hop.symbol_in, 18, hop.amount_in_units,
                          hop.symbol_out, 18, hop.amount_out_units)
                for number, hop in enumerate(detail.hops)
            ]  # fmt: skip
            assert detail.intent is not None
            mined = replace(detail.intent, state="mined", mined_block=self.block, gas_used=GAS_USED)
            self._details[index] = replace(detail, decision=settled, intent=mined, fills=fills)
            points = self._profit[decision.strategy]
            before = points[-1].cumulative_wei if points else 0
            self._settled[decision.strategy] += 1
            points.append(ProfitPoint(self._settled.total(), self._now_ms(), before + realised))
            if decision.strategy == DEX:
                self._cycle = tuple(hop.venue for hop in detail.hops)


def tx(decision: Decision) -> str:
    return f"0x{decision.id * 7919:064x}"


def recorded_picture(most: int) -> Picture:
    """The best connected tokens of the recorded pools; one of them has a hostile symbol."""
    document = snapshot()
    degrees: Counter[Address] = Counter(token for pool in document.pools for token in set(pool.tokens))
    chosen = [token for token, _ in degrees.most_common(most)]
    number = {token: index for index, token in enumerate(chosen)}
    nodes = [
        Node(index, HOSTILE_SYMBOL if index == 20 else document.tokens[token].symbol, degrees[token])
        for token, index in number.items()
    ]
    pools = [pool for pool in document.pools if all(token in number for token in pool.tokens)]
    edges = [
        Edge(pool.address, number[pool.tokens[0]], number[pool.tokens[1]], pool.family, pool.fee_ppm, depth_wei(pool))
        for pool in pools
    ]
    book = Edge("binance:ETH/USDT", number[WETH], number[USDC], "book", 230, 61 * ETHER)
    return Picture(nodes, [*edges, book], (), len(document.tokens), len(document.pools) + 1)


def depth_wei(pool: RecordedPool) -> int | None:
    """Roughly what moves a pair with WETH by 2 %; None for others."""
    if WETH not in pool.tokens:
        return None
    if isinstance(pool, RecordedPair):
        return pool.reserves[pool.tokens.index(WETH)] // 100
    root = pool.sqrt_price_x96 / 2**96
    virtual = pool.liquidity / root if pool.tokens[0] == WETH else pool.liquidity * root
    return int(virtual / 100)
