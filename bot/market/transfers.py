"""Transfers: one asset from one place to another, at a cost and after a time. None is ever a hop of a cycle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chains.assets import Token
from chains.pools.pool import PPM


class NotTransferred(ValueError):
    """An amount that the transfer does not take, or of which nothing would arrive."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One way for an asset from one place to another: a withdrawal, a deposit, a bridge.

    `fee`, in base units of `source`, and `fee_ppm` of what is sent are kept on the way; less than `least` is not
    taken. It arrives about `delay_s` after it was sent. `gas` is what sending burns on the chain it leaves.
    """

    source: Token
    target: Token
    fee: int = 0
    fee_ppm: int = 0
    least: int = 1
    delay_s: float = 0.0
    gas: int = 0

    def __post_init__(self) -> None:
        if self.source.place == self.target.place:
            raise ValueError(f"a transfer leads from one place to another; {self.source} and {self.target} are in one")
        if min(self.fee, self.fee_ppm, self.delay_s, self.gas) < 0 or self.fee_ppm > PPM or self.least < 1:
            raise ValueError(
                f"a transfer of {self.source} to {self.target.place} cannot cost or last less than nothing"
            )

    @property
    def venue(self) -> str:
        """What names it in the market."""
        return f"{self.source.place}:{self.source.symbol}>{self.target.place}:{self.target.symbol}"

    def arrives(self, amount: int) -> int:
        """Base units of `target` that arrive of `amount` of `source`, rounded down. Raises `NotTransferred`."""
        if amount < self.least:
            least = self.source.whole(self.least)
            raise NotTransferred(f"{self.source.whole(amount)} is less than {least} {self.source}, the least to send")
        left = amount - self.fee + -amount * self.fee_ppm // PPM
        shift = self.target.decimals - self.source.decimals
        arrived = left * int(10**shift) if shift >= 0 else left // int(10**-shift)
        if arrived <= 0:
            raise NotTransferred(f"of {self.source.whole(amount)} {self.source} the fee leaves nothing to arrive")
        return arrived

    def __str__(self) -> str:
        return f"{self.source} to {self.target.place}"


def chains_of(transfers: Iterable[Transfer], source: str, target: str, most: int) -> Iterator[tuple[Transfer, ...]]:
    """Every way from one place to another by at most `most` transfers, no place twice; short ones first."""
    leaving: dict[str, list[Transfer]] = {}
    for transfer in transfers:
        leaving.setdefault(transfer.source.place, []).append(transfer)
    layer: list[tuple[tuple[Transfer, ...], frozenset[str]]] = [((), frozenset({source}))]
    for _ in range(most):
        following = []
        for path, passed in layer:
            at = path[-1].target.place if path else source
            for transfer in leaving.get(at, ()):
                place = transfer.target.place
                if place == target:
                    yield (*path, transfer)
                elif place not in passed:
                    following.append(((*path, transfer), passed | {place}))
        layer = following
