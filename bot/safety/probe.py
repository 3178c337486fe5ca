"""Call data and answers of `contracts/src/safety/TokenProbe.sol`, and where it stands on a fork. No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from chains.assets import Address, address
from chains.pools.pool import Call
from chains.pools.words import selector

PPM = 10**6
MOST_PPM = 10**12
_SECRET = secrets.token_bytes(32)

_VENUE = "(address,bool,bool,uint256,address,address)"
_MOVED = ("bool", *["uint256"] * 8)
NOTHING = bytes(32 * len(_MOVED))
"""The answer, whatever was asked, that nothing was done."""


def in_ppm(change: int, of: int) -> int:
    """Rounded away from zero. What is beyond `MOST_PPM` either way is that: a balance may say anything."""
    parts = min(-(-abs(change) * PPM // of), MOST_PPM)
    return parts if change > 0 else -parts


def made_address(name: str) -> Address:
    """An address that nobody has the key of, another in each process: what a token knew it could be nice to."""
    return address("0x" + keccak(_SECRET + name.encode())[-20:].hex())


OPERATOR = made_address("operator")
STRANGER = made_address("stranger")


def probe_address(token: Address) -> Address:
    """Each token has a probe of its own, which holds nothing of it at first."""
    return made_address(f"probe.{token}")


@dataclass(frozen=True, slots=True)
class Venue:
    """The pool a token is tried in: against `base`, with V3's protocol if `concentrated`, else with V2's."""

    pool: Address
    concentrated: bool
    token_is_first: bool
    fee_ppm: int
    token: Address
    base: Address

    @property
    def words(self) -> tuple[object, ...]:
        return self.pool, self.concentrated, self.token_is_first, self.fee_ppm, self.token, self.base


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement, as the balances show it. `asked` is what should have moved; all in base units."""

    succeeded: bool
    asked: int
    from_before: int
    from_after: int
    to_before: int
    to_after: int
    answer_size: int
    answer: int
    gas_used: int

    @property
    def lost(self) -> int:
        return self.from_before - self.from_after

    @property
    def received(self) -> int:
        return self.to_after - self.to_before

    @property
    def tax_ppm(self) -> int:
        """What went missing of `asked`, rounded away from zero; a toll on top counts, as does a gift (below zero)."""
        return in_ppm(max(self.asked, self.lost) - self.received, self.asked)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one read gave: its length in bytes and its first word."""

    succeeded: bool
    size: int
    word: int

    @property
    def number(self) -> int | None:
        """The word of an answer of exactly one word, which a mere fallback seldom gives."""
        return self.word if self.succeeded and self.size == 32 else None

    @property
    def account(self) -> Address | None:
        """The same as an address other than zero."""
        number = self.number
        return address(f"0x{number:040x}") if number is not None and 0 < number < 1 << 160 else None


def buy(venue: Venue, amount: int) -> bytes:
    return _data(f"buy({_VENUE},uint256)", venue.words, amount)


def sell(venue: Venue, share_ppm: int) -> bytes:
    return _data(f"sell({_VENUE},uint256)", venue.words, share_ppm)


def give(token: Address, to: Address, share_ppm: int) -> bytes:
    return _data("give(address,address,uint256)", token, to, share_ppm)


def move(token: Address, to: Address, amount: int) -> bytes:
    return _data("move(address,address,uint256)", token, to, amount)


def held(token: Address) -> bytes:
    return _data("held(address)", token)


def approvals(token: Address, spender: Address) -> bytes:
    return _data("approvals(address,address)", token, spender)


def register() -> bytes:
    return selector("register()")


def trip(venue: Venue, amount: int) -> bytes:
    return _data(f"trip({_VENUE},uint256,address)", venue.words, amount, STRANGER)


def ask(questions: Sequence[Call]) -> bytes:
    """Call data of many reads at once."""
    return _data("ask(address[],bytes[])", [call.to for call in questions], [call.data for call in questions])


def read_moved(data: bytes) -> Moved:
    return Moved(*decode(_MOVED, data))


def read_replies(data: bytes) -> list[Reply]:
    (rows,) = decode(["(bool,uint256,uint256)[]"], data)
    return [Reply(*row) for row in rows]


def read_approvals(data: bytes) -> tuple[bool, bool, bool]:
    first, second, zero = decode(["bool"] * 3, data)
    return first, second, zero


def _data(signature: str, *arguments: object) -> bytes:
    kinds = signature[signature.index("(") :]
    return selector(signature) + encode(_arguments(kinds), arguments)


def _arguments(kinds: str) -> list[str]:
    """`((a,b),c)` as [`(a,b)`, `c`]."""
    inner = kinds[1:-1]
    if inner.startswith(_VENUE):
        return [_VENUE, *inner[len(_VENUE) + 1 :].split(",")]
    return inner.split(",")
