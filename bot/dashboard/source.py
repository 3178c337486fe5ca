"""What the page shows, as plain values, and where it comes from. The engine and the ledger stand behind `Source`.

Fields that end in `_wei` or `_units` are amounts: integers here, decimal strings on the wire. Every text may come from
a stranger (a token's symbol, a node's error); `wire.py` makes it printable and short.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """How far a decision got. The value is what the page shows and filters by."""

    DECIDED = "decided"
    SIMULATED = "simulated"
    REFUSED = "refused"
    RELEASED = "released"
    SIGNED = "signed"
    PENDING = "pending"
    HEDGING = "hedging"
    SETTLED = "settled"
    UNWOUND = "unwound"
    REVERTED = "reverted"


OPEN = frozenset({State.SIGNED, State.PENDING, State.HEDGING})
"""States of decisions of which more is to come."""


class VenueKind(StrEnum):
    NODE = "node"
    EXCHANGE = "exchange"
    BOOK = "book"
    POOLS = "pools"
    POOL = "pool"


class VenueState(StrEnum):
    """`QUIET`: nothing new, and nothing missed. `STALE`: silent for longer than it should be. `DOWN`: no connection, or
    nothing to trade. `REFUSED`: out of the market until it is loaded again; of an exchange, it refused an order."""

    FRESH = "fresh"
    QUIET = "quiet"
    STALE = "stale"
    DOWN = "down"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key that trades, how many of its transactions no block has taken, and why its account is halted, if it is."""

    address: str
    in_flight: int
    halted: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The run, and where it stands. `head_age_s` counts from the head's arrival; None before the first head."""

    mode: str
    network: str
    chain_id: int
    strategies: tuple[str, ...]
    started_ms: int
    head_number: int | None = None
    head_age_s: float | None = None
    halted: Mapping[str, str] = field(default_factory=dict)
    """Strategies that may not trade, and why."""
    operators: tuple[OperatorKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened since the start. Latency is from the arrival of a head to the signed transaction."""

    heads: int = 0
    plans: int = 0
    sent: int = 0
    reverted: int = 0
    settled: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    head_to_signed_ms_p50: float | None = None
    head_to_signed_ms_p99: float | None = None
    node_calls: int = 0


@dataclass(frozen=True, slots=True)
class ProfitPoint:
    """A strategy's profit after gas and fees, once one more result was booked. `id` orders all results."""

    id: int
    at_ms: int
    cumulative_wei: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan and what became of it. `id` orders decisions and is the cursor of the next page.

    `reason` is the refusal's code and `detail` its line; `realised_wei` is after gas and fees, None until it is closed.
    """

    id: int
    at_ms: int
    block: int
    strategy: str
    state: State
    route: str
    expected_wei: int
    realised_wei: int | None = None
    gas_wei: int | None = None
    reason: str | None = None
    detail: str | None = None
    tx_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One leg as decided: exact amounts in base units, and where they are exchanged."""

    venue: str
    venue_kind: str
    symbol_in: str
    decimals_in: int
    amount_in_units: int
    symbol_out: str
    decimals_out: int
    amount_out_units: int
    fee_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class VerdictShown:
    """What the simulator answered."""

    outcome: str
    block: int
    gas_used: int
    gas_price_wei: int
    tx_digest: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IntentShown:
    """The intent in the ledger, and the newest transaction signed for it."""

    id: int
    state: str
    nonce: int
    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    attempts: int
    exposure: str
    deadline_block: int
    tx_hash: str | None = None
    mined_block: int | None = None
    gas_used: int | None = None


@dataclass(frozen=True, slots=True)
class FillShown:
    """What really happened to a leg. `undone_by` is what took it back, in words; None while it stands."""

    venue: str
    trade_id: str
    symbol_in: str
    decimals_in: int
    amount_in_units: int
    symbol_out: str
    decimals_out: int
    amount_out_units: int
    undone_by: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalShown:
    at_ms: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DecisionDetail:
    """Everything the ledger holds about one decision, in the order it happened."""

    decision: Decision
    plan_id: str
    hops: Sequence[Hop]
    min_profit_wei: int
    gas_estimate: int
    deadline_block: int
    verdicts: Sequence[VerdictShown] = ()
    refusals: Sequence[RefusalShown] = ()
    intent: IntentShown | None = None
    fills: Sequence[FillShown] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a budget and how much of it is used."""

    name: str
    used_wei: int
    limit_wei: int


@dataclass(frozen=True, slots=True)
class BudgetShown:
    """The limits of a strategy, whose name `id` is; of all strategies together where it is empty."""

    id: str
    limits: tuple[Limit, ...]
    in_flight: int = 0
    halted_because: str | None = None


@dataclass(frozen=True, slots=True)
class EventShown:
    """What happened that asks for a look (`warning`) or for a person's hand (`error`)."""

    id: int
    at_ms: int
    block: int
    level: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Venue:
    """A node, an exchange, an order book, a pool, or a family of pools (`members` of them).

    `age_s` or `age_blocks` is how long ago it last spoke; `changes` how often it changed in this run.
    """

    id: str
    name: str
    kind: VenueKind
    state: VenueState
    age_s: float | None = None
    age_blocks: int | None = None
    changes: int = 0
    members: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """An asset of the price graph. `degree` counts its neighbours in the whole graph, not only in the picture."""

    id: int
    symbol: str
    degree: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A venue between two nodes. `liquidity_wei` is the trade, valued in ETH, that moves its price by 2 %."""

    id: str
    source: int
    target: int
    kind: str
    fee_ppm: int
    liquidity_wei: int | None
    changed_block: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """The most relevant part of the price graph. `cycle` are the venues of the last settled decision."""

    nodes: Sequence[Node] = ()
    edges: Sequence[Edge] = ()
    cycle: tuple[str, ...] = ()
    total_nodes: int = 0
    total_venues: int = 0


class Source(Protocol):
    """Read-only, and asked only while somebody looks. Each answer may come from another moment.

    They are awaited on the engine's event loop: an answer that takes more than a few milliseconds belongs in a thread.
    """

    async def header(self) -> Header: ...

    async def counters(self) -> Counters: ...

    async def profit_series(self, after: int) -> Mapping[str, Sequence[ProfitPoint]]:
        """Per strategy, the points with an id above `after`, oldest first, all as of one moment.

        Where there are more than a page draws, the newest of them, and of the others some.
        """
        ...

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        """Newest first; only those with an id below `before`."""
        ...

    async def open_decisions(self, also: Collection[int]) -> Sequence[Decision]:
        """Those in flight or with a side still to come, and those with the ids `also`; newest first."""
        ...

    async def decision(self, id: int) -> DecisionDetail | None: ...

    async def budgets(self) -> Sequence[BudgetShown]: ...

    async def venues(self) -> Sequence[Venue]: ...

    async def events(self) -> Sequence[EventShown]:
        """The newest, newest first."""
        ...

    async def graph(self) -> Picture: ...
