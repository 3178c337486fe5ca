"""Plans: what a strategy asks for. Legs in order, the profit it expects, and how long that holds."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, cast

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
    Lender,
    Loan,
    Route,
    Share,
    UniswapV4Route,
)

LASTS_S = 60
"""How many seconds after the block it was decided on a plan may still land. Where blocks keep their pace its last block
comes sooner; where none are made for a while, or contracts count another chain's blocks (Arbitrum), this is the end."""

_ANY_PARENT = bytes(32)
_AS_THEY_ARE = (str, bool, NoneType)


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
    block the transaction may land in, `deadline_s` the last second, in the Unix time of blocks. `note` says, for a
    person, why. `unwinds` is the id of the two-sided plan whose chain side this one takes back, where it does that and
    nothing else.

    The swaps are one route, or several: each that sells the token the first one sells begins another. An atomic plan's
    input is lent by `loan`, where it names one.
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
    deadline_s: int = 0
    note: str = ""
    unwinds: str = ""
    loan: Loan | None = None
    # Its encoding, once made: a plan is named and written down many times between its decision and its signature.
    _encoded: bytes = field(default=b"", init=False, repr=False, compare=False)

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
        """What its swaps move. Wrapping the native coin moves nothing, so that any number of plans may do it."""
        return frozenset(swap.hop.pool for swap in self.swaps if swap.hop.kind is not HopKind.WRAPPED_NATIVE)

    @property
    def routes(self) -> tuple[tuple[Swap, ...], ...]:
        """The swaps, route by route."""
        routes: list[list[Swap]] = []
        for swap in self.swaps:
            if not routes or swap.token_in == routes[0][0].token_in:
                routes.append([])
            routes[-1].append(swap)
        return tuple(map(tuple, routes))

    @property
    def amount_in(self) -> int:
        """What all routes together sell, in base units of the first swap's input."""
        return sum(route[0].amount_in for route in self.routes)

    @property
    def amount_out(self) -> int:
        """What all routes together are quoted to bring, in base units of the last swap's output."""
        return sum(route[-1].amount_out for route in self.routes)

    def executor_call(self, min_gain: int, min_out: int) -> ExecutorCall:
        """The executor call that settles the swaps.

        `min_gain` (atomic: base units of the cycle's token) or `min_out` (otherwise: base units of the last
        swap's output) is what the contract enforces.
        """
        routes = self.routes
        first, last = routes[0][0], routes[-1][-1]
        hops = tuple(swap.hop for swap in self.swaps)
        shares = tuple(Share(route[0].amount_in, len(route)) for route in routes) if len(routes) > 1 else ()
        token, bought = Address(first.token_in.address), Address(last.token_out.address)
        until = self.deadline_block, self.deadline_s
        if self.atomic:
            return CycleCall(token, self.amount_in, min_gain, *until, _ANY_PARENT, hops, self.loan, shares)
        return ExchangeCall(token, self.amount_in, bought, min_out, *until, _ANY_PARENT, hops, shares)


def _plain(value: object) -> Any:
    """Integers and decimals become strings, so that no reader can round them."""
    if isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, int):
        return str(int(value))
    if (names := _names(cast(Any, type(value)))) is not None:
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"a plan cannot hold {type(value).__name__}")


@cache
def _names(kind: Any) -> tuple[str, ...] | None:
    """The fields of a dataclass that are compared; None of anything else."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind) if field.compare)


def encode_plan(plan: Plan) -> bytes:
    """Canonical JSON: sorted keys, every number a decimal string, each leg tagged with its `kind`.

    No loan, no key for it; nor for a `deadline_s` of zero, which is every plan's from before there was one.
    """
    if not plan._encoded:
        object.__setattr__(plan, "_encoded", _encoding(plan))
    return plan._encoded


def _encoding(plan: Plan) -> bytes:
    document = _plain(plan)
    if plan.loan is None:
        del document["loan"]
    if not plan.deadline_s:
        del document["deadline_s"]
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
                "deadline_s",
            )
            if key in document or key != "deadline_s"
        }
        loan = _loan(document.pop("loan")) if "loan" in document else None
        plan = Plan(**document, **numbers, legs=legs, loan=loan)
        unchanged = encode_plan(plan) == data
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InvalidPlan(f"not a plan: {error}") from error
    if not unchanged:
        raise InvalidPlan("not in canonical form")
    return plan


def _token(document: dict[str, Any]) -> Token:
    return Token(document["place"], document["address"], document["symbol"], int(document["decimals"]))


def _loan(document: dict[str, Any]) -> Loan:
    pool, fee_ppm = Address(document["pool"]), int(document["fee_ppm"])
    return Loan(Lender(int(document["lender"])), pool, fee_ppm, document["zero_for_one"])


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
