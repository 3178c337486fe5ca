"""What a strategy author subclasses: annotate the parameters, say which plans the market offers. Nothing else.

A strategy sees the market through a `MarketView` and yields plans. It cannot reach a key, a node or an exchange.
"""

from __future__ import annotations

import math
import sys
import traceback
import typing
from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from bot.execution.loans import LoanFrom, Offers, funded
from bot.market import Journey, Market, Opportunity
from bot.market.books import book_id
from bot.market.combined import Walk
from bot.market.routing import Routed, route
from bot.plan import LASTS_S, Leg, Order, Plan, Side, Swap, encode_plan
from bot.signer.case import AMOUNT_LIMIT, plan_problem
from bot.transaction import MOST_GAS
from bot.vain import Vain
from chains.assets import ETH, Amount, Asset, Token
from chains.blocks import Head
from chains.executor import encode
from chains.printing import one_line

WEI_PER_ETH = 10**18
_ETH_DECIMALS = 18
_MOST_WEI = 2**96
_MOST_PRICE = 10**30
_WHOLE = {
    "expected_profit_wei": (-_MOST_WEI, _MOST_WEI),
    "min_profit_wei": (-_MOST_WEI, _MOST_WEI),
    "gas_estimate": (0, 2**32),
    "block_number": (0, 2**48),
    "deadline_block": (0, 2**48),
    "deadline_s": (0, 2**48),
}
"""What is a whole number in every plan, and between which ones it is for there to be a transaction of it."""

MOST_PLANS = 1_000
"""So many plans of a strategy are considered on one block: of one that never ends, all else would wait for ever."""

_MOST_TOLD = 500
"""Characters of what a strategy raised: it is told, kept, and the reason of every refusal that follows."""

Inventory = Mapping[Token, int]
"""Base units that may be spent now, per token. A token that is absent cannot be spent."""


class InvalidParameter(ValueError):
    """A strategy parameter that does not exist or does not fit; the message names the remedy."""


class StrategyFailed(RuntimeError):
    """A strategy's own code raised; the message says whose, on which block and where, its cause is what was raised."""


def wei(amount: Amount) -> int:
    """An amount written in ETH, in wei. Raises `InvalidParameter` for another unit."""
    if amount.unit.upper() != "ETH":
        raise InvalidParameter(f"{amount} must be in ETH, such as '0.002 ETH'")
    return amount.units(_ETH_DECIMALS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An opportunity as one strategy sees it: sized, exact, and net of gas at the fees of the next block."""

    opportunity: Opportunity
    view: MarketView
    strategy: str

    @property
    def net_profit_wei(self) -> int:
        """Profit in wei of ETH after the gas it is estimated to burn."""
        return self.opportunity.net_profit_wei(self.view.gas_price_wei)

    def plan(self, *, min_profit_wei: int) -> Plan:
        """The plan that takes it, refused later if it would leave less than `min_profit_wei` after gas."""
        found = self.opportunity
        order = found.order()
        return Plan(
            strategy=self.strategy,
            network=self.view.network,
            legs=(*found.swaps(), *((order,) if order else ())),
            atomic=order is None,
            expected_profit_wei=found.gain_wei,
            min_profit_wei=min_profit_wei,
            gas_estimate=found.gas_estimate,
            block_number=self.view.head.number,
            block_hash=self.view.head.hash,
            deadline_block=self.view.head.number + 1,
            deadline_s=self.view.head.timestamp_s + LASTS_S,
            note=str(found),
            loan=found.loan,
        )


@dataclass(frozen=True, slots=True)
class MarketView:
    """The market at one head, for one strategy.

    `gas_price_wei` is what the next block will charge per gas, tip included, in wei of ETH whatever coin pays for it.
    `inventory` is what the strategy may spend of its own; `changed` are the venues that moved since it last looked, and
    those of plans that were put off for a reason of the moment;
    `allowed` is its configured filter; `lenders` is what Uniswap V4, Balancer and Aave can lend of each token, None
    where they were not asked; `optimum` are the walks of the whole market's best use, where they were found in time.
    `most_gas` is how much a plan may be estimated to burn for the signer to take it; `gains` are the assets of the
    tokens in which the executor lets a cycle gain; `vain` are the walks that are not handed out, since they were
    simulated in vain head after head.
    """

    market: Market
    head: Head
    network: str
    strategy: str
    gas_price_wei: int
    changed: frozenset[str]
    inventory: Inventory
    allowed: Callable[[str, Token], bool] | None = None
    lenders: Offers | None = None
    optimum: tuple[Walk, ...] = ()
    most_gas: int = MOST_GAS
    gains: tuple[Asset, ...] = (ETH,)
    vain: Vain = field(default_factory=Vain, compare=False)
    seen: list[Opportunity] = field(default_factory=list, compare=False)
    """Every opportunity there was, for the ledger to remember what was passed over."""

    def cycles(
        self,
        *,
        max_hops: int = 4,
        books: int = 0,
        start: Asset | None = None,
        max_routes: int = 1,
        loan: LoanFrom = LoanFrom.CHEAPEST,
    ) -> Iterator[Candidate]:
        """Closed walks from `start` through what changed, best first, no venue shared between any two of them.

        Without a `start` they may begin in each of `gains`, which is what the executor lets a cycle gain.
        `books` is how many hops go through an order book (0: atomic, on-chain only; 1: one leg at an exchange,
        sized within `inventory`). Walks that share pools become one candidate of up to `max_routes` routes, where that
        nets more than the best of them alone. What goes into pools only is lent as `loan` says, after its cost.
        Raises `ValueError` unless `max_hops` is 2 to 4 and `books` 0 or 1, and `TypeError` for a `start` that is no
        asset.
        """
        found: Iterable[Opportunity] = self.market.cycles(
            through=self.changed,
            start=self.gains if start is None else _asset(start),
            max_hops=max_hops,
            books=books,
            gas_price_wei=self.gas_price_wei,
            inventory=self.inventory if books else None,
            allowed=self.allowed,
            max_routes=max_routes,
            most_gas=self.most_gas,
        )
        if self.optimum and max_routes > 1 and not books:
            found = self._with_optimum(list(found), start or self.gains[0], max_hops, max_routes)
        for opportunity in found if books else self._funded(found, LoanFrom(loan)):
            if not _fits(opportunity):
                continue
            self.seen.append(opportunity)
            if not self.vain.rests(opportunity.steps, self.head.number):
                yield Candidate(opportunity, self, self.strategy)

    def _with_optimum(
        self, found: list[Opportunity], start: Asset, max_hops: int, max_routes: int
    ) -> list[Opportunity]:
        """What was found, or the whole market's optimum in place of what it shares venues with, where it nets more."""
        price = self.gas_price_wei
        whole = self.market.together(
            self.optimum,
            start=start,
            max_hops=max_hops,
            max_routes=max_routes,
            gas_price_wei=price,
            allowed=self.allowed,
            most_gas=self.most_gas,
        )
        if whole is None:
            return found
        apart = [each for each in found if whole.venues.isdisjoint(each.venues)]
        instead_of = sum(each.net_profit_wei(price) for each in found if each not in apart)
        return [whole, *apart] if whole.net_profit_wei(price) > max(instead_of, 0) else found

    def _funded(self, found: Iterable[Opportunity], loan: LoanFrom) -> list[Opportunity]:
        """Those that somebody gives their input to and that still net something, best first."""
        pools, price = self.market.pools, self.gas_price_wei
        lent = (funded(opportunity, pools, loan, self.lenders, price) for opportunity in found)
        kept = [opportunity for opportunity in lent if opportunity and opportunity.net_profit_wei(price) > 0]
        return sorted(kept, key=lambda opportunity: opportunity.net_profit_wei(price), reverse=True)

    def route(self, token_in: Token, token_out: Token, amount: int, *, exact_out: bool = False) -> Routed:
        """The best execution of an order over all pools the strategy may use, splits included. Base units, exact.

        Tokens are those of the market's pools and books. Raises `NoRoute` (`bot.market.routing`), `ValueError`, and
        `TypeError` for an amount that is no whole number. What a path costs in gas is not weighed. A plan takes one
        path: `single`, which takes the whole amount, or none where it is None. Its swaps are the plan's legs, its
        `gas` the plan's `gas_estimate`.

        >>> weth, usdt = market.market.pools["0x0d4a11d5EEaaC28EC3F61d100daF4d40471f1852"].tokens  # doctest: +SKIP
        >>> routed = market.route(weth, usdt, weth.units(100))  # doctest: +SKIP
        >>> legs = tuple(  # doctest: +SKIP
        ...     Swap(step.hop, step.token_in, step.token_out, step.amount_in, step.amount_out)
        ...     for step in routed.single.steps
        ... )
        """
        if type(amount) is not int:
            raise TypeError(f"an amount of {amount!r}; write a whole number of base units, as `token.units()` gives")
        allowed = self.allowed or (lambda venue, token: True)
        pools = (
            pool for pool in self.market.pools.values() if all(allowed(pool.venue, token) for token in pool.tokens)
        )
        return route(pools, token_in, token_out, amount, exact_out=exact_out)

    def journeys(self, token_in: Token, token_out: Token, amount: int, *, within_s: float = math.inf) -> list[Journey]:
        """What an order between two places would bring by transfers that take at most `within_s`, the most out first.

        It arrives later, at the prices of then: to weigh where inventory should be, never to plan on.

        >>> eth_at_binance = market.market.books["binance:ETH/USDT"].base  # doctest: +SKIP
        >>> found = market.journeys(eth_at_binance, weth, 10**8, within_s=900)  # doctest: +SKIP
        """
        return self.market.journeys(token_in, token_out, amount, within_s=within_s, allowed=self.allowed)

    def price(self, asset: Asset, in_: Asset = ETH) -> float:
        """The reference price of one `asset` in `in_`, both in whole units; NaN where nothing tells it.

        For screening, never for spending. Raises `TypeError` for what is no asset: a token's is `market.asset(token)`
        of the view's `market`.
        """
        return self.market.price(_asset(asset), in_=_asset(in_))


class Strategy(ABC):
    """Subclass it, annotate class attributes as parameters (with defaults), and write `on_market`.

    A strategy's TOML sets its parameters; a misspelt or misfitting one is refused before anything starts. What its code
    prints goes to stderr: stdout is the run's, and with `--json` one object's alone.
    """

    needs_inventory: ClassVar[bool] = False
    """Whether it spends tokens held beforehand, on the chain or at an exchange."""

    def __init__(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        """`parameters` override the class's defaults. Raises `InvalidParameter` for one that does not exist."""
        self.name = name
        known = self.parameters()
        for key, value in (parameters or {}).items():
            if key not in known:
                raise InvalidParameter(f"{name} has no parameter {key!r}; it has {', '.join(sorted(known))}")
            setattr(self, key, value)

    @classmethod
    def parameters(cls) -> dict[str, type]:
        """Parameter names and their types: the public annotated attributes of the class and its bases."""
        return {
            key: hint
            for key, hint in typing.get_type_hints(cls).items()
            if not key.startswith("_") and typing.get_origin(hint) is not ClassVar
        }

    def plans(self, market: MarketView) -> Iterator[Plan]:
        """What `on_market` yields. Raises `StrategyFailed` for whatever goes wrong in it, but `InvalidParameter`."""
        try:
            for number, plan in enumerate(self._offered(market)):
                if number == MOST_PLANS:
                    raise ValueError(f"more than {MOST_PLANS:,} plans on one block; yield the best, then return")
                self._require_sound(plan, market.market)
                yield plan
        except InvalidParameter:
            raise
        except (Exception, SystemExit, CancelledError) as error:
            # Nothing is awaited in here: what was cancelled is of the strategy's own making.
            file = self.on_market.__code__.co_filename
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
            where = f"{file}:{lines[-1]}" if lines else f"{file}, in what on_market returned"
            what = one_line(f"{type(error).__name__}: {error}"[:_MOST_TOLD])
            failed = f"strategy {self.name} failed on block {market.head.number}: {what} ({where})"
            raise StrategyFailed(f"{failed}; run it alone with --debug for the whole trace") from error

    def _offered(self, market: MarketView) -> Iterator[Plan]:
        """What `on_market` yields; what it prints goes to stderr."""
        with redirect_stdout(sys.stderr):
            offered = iter(self.on_market(market))
        while True:
            with redirect_stdout(sys.stderr):
                try:
                    plan = next(offered)
                except StopIteration:
                    return
            yield plan

    def _require_sound(self, plan: object, market: Market) -> None:
        if not isinstance(plan, Plan):
            raise TypeError(f"{plan!r} is no Plan")
        for name, (least, most) in _WHOLE.items():
            if type(value := getattr(plan, name)) is not int:
                raise TypeError(f"{name} is {value!r}; write a whole number, of wei or blocks or seconds as it says")
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}; write one of {least} to {most}")
        if plan.strategy != self.name:
            raise ValueError(f"a plan of {plan.strategy!r}, which has a budget of its own; write {self.name!r}")
        if not plan.swaps:
            raise ValueError("a plan without a swap; one trades on the chain, and at an exchange what that leaves")
        if plan.unwinds:
            raise ValueError(f"a plan that unwinds {plan.unwinds!r}; what is owed is taken back without a strategy")
        encode_plan(plan)
        if problem := _leg_problem(plan.legs) or plan_problem(plan) or _order_problem(plan, market):
            raise ValueError(problem)
        encode(plan.executor_call(0, 0))

    @abstractmethod
    def on_market(self, market: MarketView) -> Iterable[Plan]:
        """Called once per head, after the market has taken in the block and the latest books."""


def _asset(value: object) -> Asset:
    """What an author gave for an asset. Of a token or a name nothing would be found, without a word."""
    if not isinstance(value, Asset):
        raise TypeError(f"{value!r} is no asset; write `market.market.asset(token)`, or `ETH` of chains.assets")
    return value


def _fits(opportunity: Opportunity) -> bool:
    """Whether a plan has room for its amounts: anybody may make a token whose are larger."""
    return all(0 < units < AMOUNT_LIMIT for step in opportunity.steps for units in (step.amount_in, step.amount_out))


def _leg_problem(legs: Sequence[Leg]) -> str | None:
    for leg in legs:
        if not isinstance(leg, Swap | Order):
            return f"{leg!r} is no leg; write a Swap or an Order"
        amounts = (leg.amount_in, leg.amount_out) if isinstance(leg, Swap) else (leg.amount, leg.expected_quote)
        if not all(type(units) is int and units > 0 for units in amounts):
            return f"amounts of {amounts[0]!r} and {amounts[1]!r}; write whole numbers of base units, above 0"
    return None


def _order_problem(plan: Plan, market: Market) -> str | None:
    """Why what the chain side leaves could not be ordered: its hedge is one order of what was bought or sold there."""
    if not plan.orders:
        return None
    (order, *more), first, last = plan.orders, plan.swaps[0].token_in, plan.swaps[-1].token_out
    if more:
        return f"{len(plan.orders)} orders; one covers what the chain side leaves"
    book = market.books.get(book_id(order.exchange, order.symbol))
    if book is None or (book.base, book.quote) != (order.base, order.quote):
        return f"an order of {order.base} for {order.quote}, which no book {order.symbol} of {order.exchange} trades"
    price = order.limit_price
    if not (isinstance(price, Decimal) and price.is_finite() and 0 < price < _MOST_PRICE):
        return f"an order at {str(price)[:20]}; write a Decimal above 0"
    left = {Side.SELL: last, Side.BUY: first}.get(order.side)
    if left is None or market.asset(left) != market.asset(order.base):
        return f"an order to {order.side} {order.base}, where {first} was sold for {last}"
    return None
