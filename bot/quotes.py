"""Quotes from a snapshot: requests in, exact amounts or named refusals out. No node, no market."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chains.assets import Token
from chains.pools.pool import Pool, PoolError
from chains.snapshot import Snapshot
from chains.snapshot.codec import reference, tokens_in

MAX_AMOUNT = 2**256 - 1
"""What an ERC-20 amount can be at most."""

_FIELDS = frozenset({"pool", "token_in", "token_out", "amount", "exact_out"})
_REQUIRED = frozenset({"token_in", "token_out", "amount"})
_INTEGER = re.compile(r"-?[0-9]{1,1000}")
_LONG_INTEGER = re.compile(r"-?[0-9]+")
_SHOWN_REFUSALS = 3


class QuoteRefused(ValueError):
    """No amount can be given. `code` names the reason for machines."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """What is asked. Tokens by address, by symbol or as `network:address`; `amount` in base units of the exact side.

    The case of a symbol counts only where tokens differ in nothing else.

    `pool` names the pool by its address or id; without it the best single pool answers.
    """

    token_in: str
    token_out: str
    amount: int
    exact_out: bool = False
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Quoted:
    """The amount of the other side, in base units, and the pool that gives it."""

    amount: int
    pool: Pool


class Quotes:
    """Answers requests from one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_name: dict[str, list[Pool]] = {}
        self._trading: dict[Token, dict[str, Pool]] = {}
        self._named: dict[str, list[Token]] = {}
        self._folded: dict[str, list[Token]] = {}
        for venue, recorded in snapshot.by_venue.items():
            pool = recorded.pool
            for name in {_bare(venue), _bare(str(getattr(pool, "contract", venue)))}:
                self._by_name.setdefault(name, []).append(pool)
            for token in tokens_in(pool):
                self._trading.setdefault(token, {})[venue] = pool
        for token in self._trading:
            for name in (token.symbol, token.address.lower(), reference(token).lower()):
                self._named.setdefault(name, []).append(token)
            self._folded.setdefault(token.symbol.casefold(), []).append(token)

    def pool(self, name: str) -> Pool:
        """The pool of that id, or of that contract if the contract is only its. Raises `QuoteRefused`."""
        named = self._by_name.get(_bare(name), ())
        if len(named) != 1:
            what = "is not in the snapshot" if not named else f"is {len(named)} pools; name it by its id"
            raise QuoteRefused("unknown_pool", f"pool {name[:80]!r} {what}")
        return named[0]

    def token(self, name: str) -> Token:
        """The one token called that, by symbol or address. Raises `QuoteRefused`."""
        found = self._called(name, None)
        if len(found) > 1:
            written = ", ".join(sorted(map(reference, found)))
            raise QuoteRefused("ambiguous_token", f"{name[:80]!r} may be {written}; write its address")
        return found[0]

    def answer(self, request: QuoteRequest) -> Quoted:
        """The exact amount out, or in for `exact_out`. Raises `QuoteRefused`."""
        require_amount(request.amount)
        pool = None if request.pool is None else self.pool(request.pool)
        pairs = [
            (token_in, token_out)
            for token_in in self._called(request.token_in, pool)
            for token_out in self._called(request.token_out, pool)
            if token_in != token_out and (pool is not None or self._between(token_in, token_out))
        ]
        if not pairs:
            raise QuoteRefused("no_pool", f"nothing trades {request.token_in[:80]!r} for {request.token_out[:80]!r}")
        token_in, token_out = _only(pairs, request)
        candidates = self._between(token_in, token_out) if pool is None else (pool,)
        return _best(candidates, token_in, token_out, request)

    def _called(self, name: str, pool: Pool | None) -> list[Token]:
        """The pool's tokens, or all, that are called that, by symbol or address. Raises `QuoteRefused`."""
        named = self._named.get(name) or self._named.get(name.lower()) or self._folded.get(name.casefold(), [])
        found = [token for token in named if pool is None or token in tokens_in(pool)]
        if not found:
            where = "the snapshot" if pool is None else f"pool {pool.venue}"
            raise QuoteRefused("unknown_token", f"{name[:80]!r} is not a token of {where}")
        return found

    def _between(self, token_in: Token, token_out: Token) -> tuple[Pool, ...]:
        others = self._trading[token_out]
        return tuple(pool for venue, pool in self._trading[token_in].items() if venue in others)


def _only(pairs: Sequence[tuple[Token, Token]], request: QuoteRequest) -> tuple[Token, Token]:
    """The one pair that can be meant. Raises `QuoteRefused`."""
    if len(pairs) == 1:
        return pairs[0]
    for name, choices in zip((request.token_in, request.token_out), zip(*pairs, strict=True), strict=True):
        if len(set(choices)) > 1:
            written = ", ".join(sorted({reference(token) for token in choices}))
            raise QuoteRefused("ambiguous_token", f"{name!r} may be {written}; write its address")
    raise AssertionError("two different pairs differ in a token")


def parse_request(line: str) -> QuoteRequest:
    """A request as one line of JSON. Raises `QuoteRefused`."""
    try:
        raw = json.loads(line, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise QuoteRefused("malformed_request", f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise QuoteRefused("malformed_request", "a request is a JSON object")
    wrong = sorted(_REQUIRED - raw.keys()) or sorted(raw.keys() - _FIELDS)
    if wrong:
        what = "lacks" if _REQUIRED - raw.keys() else "does not know"
        raise QuoteRefused("malformed_request", f"the request {what} {', '.join(wrong)[:200]}")
    return QuoteRequest(
        _text(raw, "token_in"),
        _text(raw, "token_out"),
        parse_amount(raw["amount"]),
        _flag(raw),
        None if raw.get("pool") is None else _text(raw, "pool"),
    )


def parse_amount(raw: object) -> int:
    """An integer, or one written as text. Raises `QuoteRefused`."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and _INTEGER.fullmatch(raw):
        return int(raw)
    if isinstance(raw, str) and _LONG_INTEGER.fullmatch(raw):
        raise QuoteRefused("amount_out_of_range", f"an amount of {len(raw):,} digits is not in 1 to 2^256 - 1")
    raise QuoteRefused("malformed_request", f"{str(raw)[:80]!r} is not an integer amount of base units")


def require_amount(amount: int) -> None:
    """Raises `QuoteRefused` for what no token can move."""
    if not 0 < amount <= MAX_AMOUNT:
        raise QuoteRefused("amount_out_of_range", f"an amount of {_brief(amount)} is not in 1 to 2^256 - 1")


def _best(candidates: tuple[Pool, ...], token_in: Token, token_out: Token, request: QuoteRequest) -> Quoted:
    """The most out, or the least in. Raises `QuoteRefused` where every pool refuses."""
    answers: list[Quoted] = []
    refusals: list[Exception] = []
    for pool in candidates:
        try:
            if request.exact_out:
                amount = pool.quote_exact_out(token_out, request.amount, token_in)
            else:
                amount = pool.quote(token_in, request.amount, token_out)
            answers.append(Quoted(amount, pool))
        except (PoolError, ArithmeticError) as error:
            refusals.append(error)
    if answers:
        return (min if request.exact_out else max)(answers, key=lambda quoted: quoted.amount)
    codes = {_code(error) for error in refusals}
    more = f"; and {len(refusals) - _SHOWN_REFUSALS} more" if len(refusals) > _SHOWN_REFUSALS else ""
    detail = "; ".join(str(error) for error in refusals[:_SHOWN_REFUSALS]) + more
    raise QuoteRefused(codes.pop() if len(codes) == 1 else "no_quote", detail)


def _bare(name: str) -> str:
    """An address or id in one form, however it is written."""
    return name.lower().removeprefix("0x")


def _code(error: Exception) -> str:
    """`InsufficientLiquidity` as `insufficient_liquidity`; arithmetic that fails comes of a state that cannot be."""
    if not isinstance(error, PoolError):
        return "malformed_state"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


def _integer(digits: str) -> int:
    if not _INTEGER.fullmatch(digits):
        raise ValueError("a number of more than 1,000 digits")
    return int(digits)


def _text(raw: Mapping[str, Any], field: str) -> str:
    if not isinstance(raw[field], str):
        raise QuoteRefused("malformed_request", f"{field} is not text")
    return str(raw[field])


def _flag(raw: Mapping[str, Any]) -> bool:
    if not isinstance(raw.get("exact_out", False), bool):
        raise QuoteRefused("malformed_request", "exact_out is neither true nor false")
    return bool(raw.get("exact_out", False))


def _brief(amount: int) -> str:
    return str(amount) if abs(amount) <= MAX_AMOUNT else f"{amount.bit_length()} bits"
