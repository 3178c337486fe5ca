"""A local exchange that replays recorded Binance streams in Binance's own wire format, and trades against them."""

from chains.exchanges.local.server import LocalExchange

__all__ = ["LocalExchange"]
