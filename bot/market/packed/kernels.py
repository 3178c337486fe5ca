"""Which kernels a search runs on: compiled ones, or the plain Python ones of `reference` where Numba is not."""

from __future__ import annotations

from typing import Protocol, cast

from bot.market.packed.shapes import F4, F8, I4, Arrays, Changes, Limits, Work
from chains.kernels.cache import compiled


class Kernels(Protocol):
    """What both give, by the same signatures."""

    @staticmethod
    def block_step(
        changes: Changes, arrays: Arrays, limits: Limits, work: Work, sizes: F8, needed: F4, task: int
    ) -> None: ...

    @staticmethod
    def size_all(walks: I4, hops: I4, arrays: Arrays, rest: F8, index: I4, sized: F8) -> None: ...


def kernels() -> Kernels:
    """The compiled kernels if there are any; importing them takes most of a second, so they are asked for late."""
    if compiled():
        from bot.market.packed import compiled as fast

        return cast(Kernels, fast)
    import bot.market.packed.reference as reference

    return cast(Kernels, reference)
