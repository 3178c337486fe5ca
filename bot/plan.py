"""Plans: what a strategy asks for. Legs in order, the profit it expects, and how long that holds."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from chains.assets import Address, Token
from chains.executor import (
    BalancerV2Route,
    BalancerV3Route,
    CurveRoute,
    CycleCall,
    ExchangeCall,
    ExecutorCall,
    Hop,
    HopKind,
    Route,
    UniswapV4Route,
)


class Side(StrEnum):
    """Which way an exchange order goes, seen from its base currency."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Swap:
    """One hop through a pool. Amounts are base units; `amount_out` is the exact quote at the decided block."""

    hop: Hop
    token_in: Token
    token_out: Token
    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class Order:
    """One immediate-or-cancel limit order at an exchange.

    `symbol` is ccxt's unified symbol (`ETH/USDT`). `amount` is base units of `base`; `limit_price` is quote per
    base in whole units, exact. `expected_quote` is base units of `quote` at the decided book, fee not included.
    """

    exchange: str
    symbol: str
    side: Side
    base: Token
    quote: Token
    amount: int
    limit_price: Decimal
    expected_quote: int


Leg = Swap | Order


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered tuple of legs, decided on one block.

    An atomic plan settles in one transaction through the executor's `run`. Otherwise its swaps go through
    `exchange` first and its orders follow for exactly what filled. `profit_token` is what an atomic plan gains;
    `expected_profit_wei` is in wei of ETH before gas, at the marks the strategy stated; `min_profit_wei` is the
    least the strategy accepts after gas. `gas_limit` and fees are per EIP-1559; `deadline_block` is the last
    block the transaction may land in. `note` says, for a person, why. `unwinds` is the id of the two-sided plan whose
    chain side this one takes back, where it does that and nothing else.
    """

    strategy: str
    network: str
    legs: tuple[Leg, ...]
    atomic: bool
    expected_profit_wei: int
    min_profit_wei: int
    gas_estimate: int
    block_number: int
    block_hash: str
    deadline_block: int
    note: str = ""
    unwinds: str = ""

    @property
    def id(self) -> str:
        """A digest of everything decided: equal decisions have equal ids (the idempotency key)."""
        return hashlib.sha256(encode_plan(self)).hexdigest()[:32]

    @property
    def swaps(self) -> tuple[Swap, ...]:
        return tuple(leg for leg in self.legs if isinstance(leg, Swap))

    @property
    def orders(self) -> tuple[Order, ...]:
        return tuple(leg for leg in self.legs if isinstance(leg, Order))

    @property
    def pools(self) -> frozenset[Address]:
        return frozenset(swap.hop.pool for swap in self.swaps)

    def executor_call(self, min_gain: int, min_out: int) -> ExecutorCall:
        """The executor call that settles the swaps.

        `min_gain` (atomic: base units of the cycle's token) or `min_out` (otherwise: base units of the last
        swap's output) is what the contract enforces.
        """
        first, last = self.swaps[0], self.swaps[-1]
        hops = tuple(swap.hop for swap in self.swaps)
        parent = bytes(32)
        if self.atomic:
            token = Address(first.token_in.address)
            return CycleCall(token, first.amount_in, min_gain, self.deadline_block, parent, hops)
        return ExchangeCall(
            Address(first.token_in.address),
            first.amount_in,
            Address(last.token_out.address),
            min_out,
            self.deadline_block,
            parent,
            hops,
        )


def _plain(value: object) -> Any:
    """Integers and decimals become strings, so that no reader can round them."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return str(int(value)) if isinstance(value, int) else format(value, "f")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"a plan cannot hold {type(value).__name__}")


def encode_plan(plan: Plan) -> bytes:
    """Canonical JSON: sorted keys, every number a decimal string, each leg tagged with its `kind`."""
    document = _plain(plan)
    for leg, plain in zip(plan.legs, document["legs"], strict=True):
        plain["kind"] = type(leg).__name__
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


class InvalidPlan(ValueError):
    """Bytes that are not a canonical plan."""


def decode_plan(data: bytes) -> Plan:
    """The inverse of `encode_plan`. Raises `InvalidPlan` unless encoding the result gives `data` again."""
    try:
        document = orjson.loads(data)
        legs = tuple(_leg(leg) for leg in document.pop("legs"))
        numbers: dict[str, Any] = {
            key: int(document.pop(key))
            for key in (
                "expected_profit_wei",
                "min_profit_wei",
                "gas_estimate",
                "block_number",
                "deadline_block",
            )
        }
        plan = Plan(**document, **numbers, legs=legs)
        unchanged = encode_plan(plan) == data
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InvalidPlan(f"not a plan: {error}") from error
    if not unchanged:
        raise InvalidPlan("not in canonical form")
    return plan


def _token(document: dict[str, Any]) -> Token:
    return Token(document["place"], document["address"], document["symbol"], int(document["decimals"]))


def _hop(document: dict[str, Any]) -> Hop:
    kind = HopKind(int(document["kind"]))
    route = _route(kind, document["route"])
    return Hop(kind, Address(document["pool"]), document["zero_for_one"], int(document["fee_ppm"]), route)


def _route(kind: HopKind, document: dict[str, Any]) -> Route | None:
    match kind:
        case HopKind.UNISWAP_V4:
            return UniswapV4Route(
                Address(document["token_out"]), int(document["tick_spacing"]), Address(document["hooks"])
            )
        case HopKind.CURVE | HopKind.CURVE_CRYPTO:
            indices = int(document["i"]), int(document["j"])
            return CurveRoute(Address(document["token_out"]), *indices, underlying=document["underlying"])
        case HopKind.BALANCER_V2:
            return BalancerV2Route(Address(document["token_out"]), int(document["id_tail"]))
        case HopKind.BALANCER_V3:
            return BalancerV3Route(Address(document["token_out"]), document["buffer"])
    return None


def _leg(document: dict[str, Any]) -> Leg:
    if document["kind"] == "Swap":
        return Swap(
            _hop(document["hop"]),
            _token(document["token_in"]),
            _token(document["token_out"]),
            int(document["amount_in"]),
            int(document["amount_out"]),
        )
    if document["kind"] == "Order":
        return Order(
            document["exchange"],
            document["symbol"],
            Side(document["side"]),
            _token(document["base"]),
            _token(document["quote"]),
            int(document["amount"]),
            Decimal(document["limit_price"]),
            int(document["expected_quote"]),
        )
    raise InvalidPlan(f"unknown leg {document['kind']!r}")
