"""What a pool keeps over all its tokens at once: no series of swaps leaves it lower. Floats; no pools here."""

from __future__ import annotations

from typing import NamedTuple


class StableSurface(NamedTuple):
    """D of a·Σx + D = a·D + D^(n+1) / (n^n · Πx), where x are the balances in the curve's units.

    `amplification` is a: A times n, or what the contract makes of it. `units` are the curve's units of one base unit of
    each token, `held` the balances in them. A swap pays at least `fee` of what comes in, or of what goes out where it
    is `of_output`; `stays` is the share of the fee that stays in the pool.
    """

    amplification: float
    held: tuple[float, ...]
    units: tuple[float, ...]
    fee: float
    stays: float
    of_output: bool


class WeightedSurface(NamedTuple):
    """Π x^weight of the balances x; `weights` add up to one. A swap pays `fee` of what comes in. Units as in
    `StableSurface`."""

    weights: tuple[float, ...]
    held: tuple[float, ...]
    units: tuple[float, ...]
    fee: float


class CryptoSurface(NamedTuple):
    """The curve of a pool with moving pegs, in a block; `bot/market/dual/pegged.py` tells it.

    `amplification` is A · n^n, `d` the invariant that swaps keep. `held` are base units; `units` the curve's units of
    one of each token by the present scale, and by that to which the scale may move at most, `further`. A swap pays
    at least `fee` of what goes out, which stays. The scale moves no more where virtual price would become less than
    `floor` of the present one; of that by which swaps raise it, moves leave `spared`.
    """

    amplification: float
    gamma: float
    held: tuple[float, ...]
    units: tuple[float, ...]
    further: tuple[float, ...]
    d: float
    fee: float
    floor: float = 0.0
    spared: float = 0.0


Surface = StableSurface | WeightedSurface | CryptoSurface
