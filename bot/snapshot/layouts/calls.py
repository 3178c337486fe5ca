"""Recordings of the raw answers that contracts gave (degenbot's): pools are loaded from them as from a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eth_abi.abi import decode

from bot.snapshot.found import Found, place_of, taken, token_of
from bot.snapshot.layouts.pools import ticks_of
from chains.assets import Address, Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.words import require_words, selector, signed, unsigned

FACTORIES: Mapping[str, int] = {"0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f": 3000}
"""Factories of constant-product pairs, and their pairs' input fee in parts per million."""

_FACTORY, _TOKEN0, _TOKEN1 = selector("factory()"), selector("token0()"), selector("token1()")
_SYMBOL, _DECIMALS = selector("symbol()"), selector("decimals()")
_RESERVES, _SLOT0, _LIQUIDITY = selector("getReserves()"), selector("slot0()"), selector("liquidity()")
_FEE, _TICK_SPACING = selector("fee()"), selector("tickSpacing()")


class Answers:
    """Recorded answers by contract and call data."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.place = place_of(document["chain_id"])
        self._answers: dict[tuple[Address, bytes], bytes] = {}
        for key, answer in document["calls"].items():
            at, _, data = key.partition(":")
            self._answers[address(at), bytes.fromhex(data[2:])] = bytes.fromhex(answer.removeprefix("0x"))

    def contracts(self, question: bytes) -> list[Address]:
        """Who was asked that."""
        return [at for at, data in self._answers if data == question]

    def ask(self, at: Address, question: bytes) -> bytes:
        """What was answered. Raises `ValueError` if it was not asked."""
        try:
            return self._answers[at, question]
        except KeyError:
            raise ValueError(f"no answer of {at} to 0x{question.hex()} was recorded") from None

    def word(self, at: Address, question: bytes) -> int:
        """One word of answer. Raises `ValueError`."""
        return unsigned(require_words(self.ask(at, question), 1, f"0x{question.hex()} of {at}"))

    def pair(self, pool: Address) -> tuple[Token, Token]:
        """A pool's two tokens. Raises `ValueError`."""
        first, second = (self._token(address(f"0x{self.word(pool, side):040x}")) for side in (_TOKEN0, _TOKEN1))
        return first, second

    def _token(self, at: Address) -> Token:
        (symbol,) = decode(["string"], self.ask(at, _SYMBOL))
        return token_of(self.place, at, symbol, self.word(at, _DECIMALS))


def calls(document: Any) -> Iterator[Found] | None:
    """Raw answers, and beside them the ticks of concentrated pools."""
    if not isinstance(document, dict) or not {"chain_id", "block_number", "calls"} <= document.keys():
        return None
    return _pools(Answers(document), int(document["block_number"]))


def _pools(answers: Answers, block: int) -> Iterator[Found]:
    for pool in answers.contracts(_RESERVES):
        yield taken(pool, block, lambda pool=pool: _constant_product(answers, pool))  # type: ignore[misc]
    for pool in answers.contracts(_SLOT0):
        yield taken(pool, block, lambda pool=pool: _concentrated(answers, pool))  # type: ignore[misc]


def _constant_product(answers: Answers, pool: Address) -> Pool:
    factory = address(f"0x{answers.word(pool, _FACTORY):040x}")
    if factory not in FACTORIES:
        raise ValueError(f"the fee of pairs of factory {factory} is not known")
    reserves = require_words(answers.ask(pool, _RESERVES), 3, f"getReserves() of {pool}")
    both = unsigned(reserves, 0), unsigned(reserves, 1)
    return ConstantProductPool(pool, answers.pair(pool), both, FACTORIES[factory])


def _concentrated(answers: Answers, pool: Address) -> Pool:
    slot0 = require_words(answers.ask(pool, _SLOT0), 2, f"slot0() of {pool}")
    scalars = {
        "tick_spacing": answers.word(pool, _TICK_SPACING),
        "tick": signed(slot0, 1),
        "liquidity": answers.word(pool, _LIQUIDITY),
    }
    beside = f"v3_{pool.lower()}_"
    recorded = {key.removeprefix(beside): value for key, value in answers.document.items() if key.startswith(beside)}
    ticks, fee_ppm = ticks_of(recorded, scalars), answers.word(pool, _FEE)
    price, tick, liquidity = unsigned(slot0, 0), scalars["tick"], scalars["liquidity"]
    return ConcentratedPool(pool, answers.pair(pool), fee_ppm, price, tick, liquidity, ticks)
