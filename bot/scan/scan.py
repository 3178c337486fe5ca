"""One recorded block scanned: the optimum, its bound, the exact trades that take it, and where the rest went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.market.dual.capture import Capture, Cause, Terms
from bot.market.dual.certificate import bound
from bot.market.dual.explained import explained, unsupported_in
from bot.market.dual.problem import problem_of
from bot.market.dual.solve import Solution, solve
from bot.market.dual.venues import Venue
from bot.scan.books_file import Books
from bot.snapshot.wrapping import wrapped_address
from chains.assets import ZERO_ADDRESS, Token
from chains.snapshot import Snapshot
from chains.snapshot.codec import reference

_WRAPPED = "WETH"


class NoNumeraire(ValueError):
    """The token that gains are counted in is not in the market, or may be several."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A block and what there was to gain in it, in base units of `numeraire`.

    `bound` is the certificate: no trades in the pools and books known could have gained more. `missed` explains the
    difference between it and what `capture` gains before gas, and adds up to it. `left_out` are venues that the
    bound does not count, and why. The pools' states are of `first_block` to `block`.
    """

    first_block: int
    block: int
    numeraire: Token
    pools: int
    books: int
    terms: Terms
    solution: Solution
    bound: int
    capture: Capture
    missed: Mapping[Cause, int]
    left_out: Mapping[str, str]

    @property
    def share(self) -> float:
        """What part of the bound is captured before gas; 1.0 where there is nothing to capture."""
        return self.capture.gain / self.bound if self.bound else 1.0


def scan(snapshot: Snapshot, books: Books, numeraire: Token, terms: Terms) -> Scanned:
    """Scan one snapshot, its pools as one state at its latest block."""
    venues: list[Venue] = [recorded.pool for recorded in snapshot.pools]
    problem = problem_of([*venues, *books.venues], numeraire)
    unsupported = unsupported_in(problem.venues)
    solution = solve(problem)
    avoiding = replace(terms, avoided={**unsupported, **terms.avoided})
    found = explained(solution, avoiding, bound(problem, solution.prices), unsupported)
    return Scanned(
        first_block=min((recorded.block for recorded in snapshot.pools), default=0),
        block=max((recorded.block for recorded in snapshot.pools), default=0),
        numeraire=numeraire,
        pools=len(venues),
        books=len(books.venues),
        terms=terms,
        solution=solution,
        bound=found.bound,
        capture=found.capture,
        missed=found.missed,
        left_out={left.venue: left.reason for left in snapshot.left_out} | dict(problem.refused) | dict(books.refused),
    )


def numeraire_of(snapshot: Snapshot, named: str | None) -> Token:
    """The token gains are counted in: the one named by symbol or address, or the network's wrapped coin.

    Raises `NoNumeraire`.
    """
    if named is None:
        return _wrapped_coin(snapshot)
    found = [token for token in snapshot.tokens if named.lower() in (token.address.lower(), reference(token).lower())]
    found = found or [token for token in snapshot.tokens if token.symbol == named]
    if len(found) != 1:
        written = ", ".join(map(reference, found)) or "no token of the snapshot"
        raise NoNumeraire(f"{named!r} is {written}; name one by its address")
    return found[0]


def pays_gas(token: Token, snapshot: Snapshot) -> bool:
    """Whether gas is paid in the token: the native coin, or the network's wrapped one, as far as that can be told."""
    try:
        return token.address == ZERO_ADDRESS or token == _wrapped_coin(snapshot)
    except NoNumeraire:
        return token.symbol == _WRAPPED


def _wrapped_coin(snapshot: Snapshot) -> Token:
    """The wrapped coin of the network most pools are on, or the coin itself where nothing trades the wrapped one; else
    the token of that symbol, if only one has it."""
    places: dict[str, int] = {}
    for token in snapshot.tokens:
        places[token.place] = places.get(token.place, 0) + 1
    for place in sorted(places, key=lambda place: places[place], reverse=True)[:1]:
        address = wrapped_address(place)
        if address is None:
            break
        for at in (address, ZERO_ADDRESS):
            for token in snapshot.tokens:
                if (token.place, token.address) == (place, at):
                    return token
    found = [token for token in snapshot.tokens if token.symbol == _WRAPPED]
    if len(found) == 1:
        return found[0]
    if not snapshot.tokens:
        return Token("ethereum", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", _WRAPPED, 18)
    raise NoNumeraire(f"{len(found)} tokens of the snapshot are called {_WRAPPED}; say --numeraire ADDRESS")
