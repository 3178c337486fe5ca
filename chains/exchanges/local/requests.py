"""What a Binance REST request says: parameters read and checked, signature and timestamp verified."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from chains.exchanges.local.errors import BinanceError, illegal, missing
from chains.exchanges.local.orders import NewOrder, OrderKind, TimeInForce
from chains.exchanges.local.rules import RULES, SCALE

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
DEFAULT_RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
MAX_AHEAD_MS = 1_000


class Params:
    """The parameters of one request, from its query string and its form body."""

    def __init__(self, query: str, body: str = "") -> None:
        self._raw = (query, body)
        self._values = dict(parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))

    def get(self, name: str) -> str | None:
        return self._values.get(name) or None

    def required(self, name: str) -> str:
        """Raises `BinanceError` -1102."""
        value = self.get(name)
        if value is None:
            raise missing(name)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Raises `BinanceError` -1102 when absent without a default, -1100 when not an integer."""
        value = self.get(name)
        if value is None:
            if default is None:
                raise missing(name)
            return default
        if not re.fullmatch(r"[0-9]{1,20}", value):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def amount(self, name: str) -> int:
        """A decimal in units of 10^-8; 0 if absent. Raises `BinanceError` -1100, -1111."""
        value = self.get(name)
        if value is None:
            return 0
        match = re.fullmatch(DECIMAL, value)
        if not match:
            raise illegal(name, DECIMAL)
        fraction = (match[2] or ".")[1:].rstrip("0")
        if len(fraction) > 8:
            raise BinanceError(-1111, f"Parameter '{name}' has too much precision.")
        return int(match[1]) * SCALE + int(fraction.ljust(8, "0"))

    def symbol(self, known: Mapping[str, object] = RULES) -> str:
        """Raises `BinanceError` -1102, -1121."""
        name = self.required("symbol")
        if name not in known:
            raise BinanceError(-1121, "Invalid symbol.")
        return name

    def check_signature(self, secret: str) -> None:
        """HMAC-SHA256 over query and body without the signature itself. Raises `BinanceError` -1102, -1022."""
        signature = self.required("signature")
        payload = "".join(
            "&".join(part for part in raw.split("&") if not part.startswith("signature=")) for raw in self._raw
        )
        expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BinanceError(-1022, "Signature for this request is not valid.")

    def check_timestamp(self, now_ms: int) -> None:
        """Raises `BinanceError` -1102, -1100, -1131, -1021."""
        timestamp = self.integer("timestamp")
        window = self.integer("recvWindow", DEFAULT_RECV_WINDOW_MS)
        if window > MAX_RECV_WINDOW_MS:
            raise BinanceError(-1131, "recvWindow must be less than 60000.")
        if timestamp >= now_ms + MAX_AHEAD_MS:
            raise BinanceError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - timestamp > window:
            raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def new_order(params: Params, known: Mapping[str, object] = RULES) -> NewOrder:
    """Read `POST /api/v3/order`. Raises `BinanceError` -1100 … -1121."""
    symbol = params.symbol(known)
    side, kind = params.required("side"), params.required("type")
    if side not in ("BUY", "SELL"):
        raise BinanceError(-1117, "Invalid side.")
    if kind not in set(OrderKind):
        raise BinanceError(-1116, "Invalid orderType.")
    needed = {
        OrderKind.LIMIT: ("timeInForce", "quantity", "price"),
        OrderKind.LIMIT_MAKER: ("quantity", "price"),
        OrderKind.MARKET: () if params.get("quoteOrderQty") else ("quantity",),
    }[OrderKind(kind)]
    for name in needed:
        params.required(name)
    for name in ("timeInForce", "price"):
        if name not in needed and params.get(name):
            raise BinanceError(-1106, f"Parameter '{name}' sent when not required.")
    time_in_force = params.get("timeInForce") or TimeInForce.GTC
    if time_in_force not in set(TimeInForce):
        raise BinanceError(-1115, "Invalid timeInForce.")
    return NewOrder(
        symbol=symbol,
        buy=side == "BUY",
        kind=OrderKind(kind),
        time_in_force=TimeInForce(time_in_force),
        price=params.amount("price"),
        quantity=params.amount("quantity"),
        quote_quantity=params.amount("quoteOrderQty") if kind == OrderKind.MARKET else 0,
        client_id=client_id(params, "newClientOrderId"),
    )


def client_id(params: Params, name: str) -> str:
    """The caller's id under `name`, or a new one. Raises `BinanceError` -1100."""
    value = params.get(name)
    if value is None:
        return secrets.token_hex(11)
    if not re.fullmatch(CLIENT_ID, value):
        raise illegal(name, CLIENT_ID)
    return value
