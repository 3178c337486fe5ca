"""The REST endpoints of Binance spot that trading through ccxt touches: parameters in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chains.exchanges.local.accounts import Account, Balance
from chains.exchanges.local.errors import BinanceError, missing
from chains.exchanges.local.feed import Feed
from chains.exchanges.local.matching import PPM, Matcher
from chains.exchanges.local.orders import Order, cancelled_json, order_json, placed_json, trade_json
from chains.exchanges.local.requests import Params, client_id, new_order
from chains.exchanges.local.rules import DEPTH_LIMITS, RATE_LIMITS, SymbolRules, symbol_info, text

Json = dict[str, Any] | list[Any]
LIST_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Api:
    """Public and signed endpoints over the matcher and the feeds.

    `event_ms` is the event clock and `wall_ms` the machine's, both in milliseconds since the epoch.
    """

    rules: Mapping[str, SymbolRules]
    feeds: Mapping[str, Feed]
    matcher: Matcher
    taker_fee_ppm: int
    maker_fee_ppm: int
    event_ms: Callable[[], int]
    wall_ms: Callable[[], int]

    def public(self) -> dict[tuple[str, str], Callable[[Params], Json]]:
        """Endpoints anyone may call. Only spot is listed: the lists of the other markets are empty."""
        return {
            ("GET", "/api/v3/ping"): lambda _: {},
            ("GET", "/api/v3/time"): lambda _: {"serverTime": self.wall_ms()},
            ("GET", "/api/v3/exchangeInfo"): self._exchange_info,
            ("GET", "/api/v3/depth"): self._depth,
            ("GET", "/api/v3/ticker/bookTicker"): self._book_ticker,
            ("GET", "/fapi/v1/exchangeInfo"): lambda _: {"symbols": []},
            ("GET", "/dapi/v1/exchangeInfo"): lambda _: {"symbols": []},
        }

    def signed(self) -> dict[tuple[str, str], Callable[[Params, Account], Json]]:
        """Endpoints that need a key, a signature and a timestamp."""
        return {
            ("GET", "/api/v3/account"): self._account,
            ("GET", "/api/v3/account/commission"): self._commission,
            ("GET", "/sapi/v1/asset/tradeFee"): self._trade_fee,
            ("GET", "/sapi/v1/account/apiRestrictions"): lambda _, __: self._restrictions(),
            ("GET", "/sapi/v1/capital/config/getall"): self._coins,
            ("GET", "/sapi/v1/margin/allPairs"): lambda _, __: [],
            ("GET", "/sapi/v1/margin/isolated/allPairs"): lambda _, __: [],
            ("POST", "/api/v3/order"): self._place,
            ("GET", "/api/v3/order"): lambda params, account: order_json(self._order(params, account, -2013)),
            ("DELETE", "/api/v3/order"): self._cancel,
            ("GET", "/api/v3/openOrders"): self._open_orders,
            ("GET", "/api/v3/allOrders"): self._all_orders,
            ("GET", "/api/v3/myTrades"): self._my_trades,
        }

    def _exchange_info(self, params: Params) -> Json:
        names = [params.symbol(self.rules)] if params.get("symbol") else list(self.rules)
        return {
            "timezone": "UTC",
            "serverTime": self.wall_ms(),
            "rateLimits": list(RATE_LIMITS),
            "exchangeFilters": [],
            "symbols": [symbol_info(self.rules[name]) for name in names],
        }

    def _depth(self, params: Params) -> Json:
        most, default = DEPTH_LIMITS
        return self.feeds[params.symbol(self.rules)].snapshot_json(min(params.integer("limit", default), most))

    def _book_ticker(self, params: Params) -> Json:
        if params.get("symbol"):
            return self.feeds[params.symbol(self.rules)].ticker_json()
        return [feed.ticker_json() for feed in self.feeds.values()]

    def _account(self, _: Params, account: Account) -> Json:
        return {
            "makerCommission": self.maker_fee_ppm // 100,
            "takerCommission": self.taker_fee_ppm // 100,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": self._rates(),
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.event_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": currency, "free": text(balance.free), "locked": text(balance.locked)}
                for currency, balance in sorted(self._balances(account).items())
            ],
            "permissions": ["SPOT"],
        }

    def _restrictions(self) -> Json:
        return {
            "ipRestrict": False,
            "createTime": self.event_ms(),
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
        }

    def _balances(self, account: Account) -> dict[str, Balance]:
        currencies = {currency for rule in self.rules.values() for currency in (rule.base, rule.quote)}
        return {currency: account.balances[currency] for currency in currencies | set(account.balances)}

    def _rates(self) -> dict[str, str]:
        return {
            "maker": _rate(self.maker_fee_ppm),
            "taker": _rate(self.taker_fee_ppm),
            "buyer": _rate(0),
            "seller": _rate(0),
        }

    def _commission(self, params: Params, _: Account) -> Json:
        return {
            "symbol": params.symbol(self.rules),
            "standardCommission": self._rates(),
            "taxCommission": {name: _rate(0) for name in self._rates()},
            "discount": {
                "enabledForAccount": False,
                "enabledForSymbol": False,
                "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }

    def _trade_fee(self, params: Params, _: Account) -> Json:
        names = [params.symbol(self.rules)] if params.get("symbol") else list(self.rules)
        maker, taker = _rate(self.maker_fee_ppm), _rate(self.taker_fee_ppm)
        return [{"symbol": name, "makerCommission": maker, "takerCommission": taker} for name in names]

    def _coins(self, _: Params, account: Account) -> Json:
        return [
            {
                "coin": currency,
                "name": currency,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "trading": True,
                "isLegalMoney": False,
                "free": text(balance.free),
                "locked": text(balance.locked),
                "networkList": [],
            }
            for currency, balance in sorted(self._balances(account).items())
        ]

    def _place(self, params: Params, account: Account) -> Json:
        new = new_order(params, self.rules)
        response_type = params.get("newOrderRespType") or "FULL"
        if response_type not in ("ACK", "RESULT", "FULL"):
            raise missing("newOrderRespType")
        return placed_json(self.matcher.place(account, new, self.event_ms()), response_type)

    def _order(self, params: Params, account: Account, not_found: int) -> Order:
        symbol, order_id, own_id = params.symbol(self.rules), params.get("orderId"), params.get("origClientOrderId")
        if order_id is None and own_id is None:
            raise BinanceError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        order = self.matcher.find(account, symbol, params.integer("orderId") if order_id else None, own_id)
        if order is None:
            raise BinanceError(not_found, "Order does not exist." if not_found == -2013 else "Unknown order sent.")
        return order

    def _cancel(self, params: Params, account: Account) -> Json:
        cancel_id = client_id(params, "newClientOrderId")
        order = self._order(params, account, -2011)
        return cancelled_json(self.matcher.cancel(order, self.event_ms()), cancel_id)

    def _open_orders(self, params: Params, account: Account) -> Json:
        symbol = params.symbol(self.rules) if params.get("symbol") else None
        return [order_json(order) for order in self.matcher.open_orders(account, symbol)]

    def _all_orders(self, params: Params, account: Account) -> Json:
        first, limit = params.integer("orderId", 0), params.integer("limit", LIST_LIMIT)
        found = [order for order in self.matcher.orders(account, params.symbol(self.rules)) if order.id >= first]
        return [order_json(order) for order in (found[:limit] if first else found[-limit:])]

    def _my_trades(self, params: Params, account: Account) -> Json:
        wanted, first = params.integer("orderId", 0), params.integer("fromId", 0)
        trades = [
            (order, trade)
            for order in self.matcher.orders(account, params.symbol(self.rules))
            if wanted in (0, order.id)
            for trade in order.trades
            if trade.id >= first
        ]
        trades.sort(key=lambda found: found[1].id)
        limit = params.integer("limit", LIST_LIMIT)
        return [trade_json(order, trade) for order, trade in (trades[:limit] if first else trades[-limit:])]


def _rate(fee_ppm: int) -> str:
    """A fee as Binance writes it: a fraction with eight decimals."""
    return f"{fee_ppm // PPM}.{fee_ppm % PPM:06d}00"
