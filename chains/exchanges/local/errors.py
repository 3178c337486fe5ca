"""Binance's refusals: HTTP status, code and message, as its REST documentation lists them."""

from __future__ import annotations


class BinanceError(Exception):
    """A refused request, answered as `{"code": …, "msg": …}`."""

    def __init__(self, code: int, message: str, http_status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status


def missing(name: str) -> BinanceError:
    return BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> BinanceError:
    return BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def filter_failure(name: str) -> BinanceError:
    return BinanceError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> BinanceError:
    return BinanceError(-2010, message)


def insufficient_balance() -> BinanceError:
    return rejected("Account has insufficient balance for requested action.")
