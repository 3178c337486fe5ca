"""Walks that are simulated in vain head after head: their places among a head's plans are for others meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from bot.market.opportunity import Step
from bot.plan import Swap
from bot.reasons import Reason
from chains.assets import Address, Token

FAILURES = 3
"""So often in a row a walk may fail before it rests."""

LONGEST_REST_BLOCKS = 32

IN_VAIN = frozenset(
    {
        Reason.SIM_REVERTED,
        Reason.SIM_COINBASES_DISAGREE,
        Reason.TOKEN_TAX,
        Reason.TOKEN_TRAP,
        Reason.SIGNER_GAS_LIMIT,
        Reason.SIGNER_MIN_PROFIT,
    }
)
"""Refusals of what the pools promise and the chain does not do."""

_KEPT = 4096


class Vain:
    """Remembers walks by their hops. One that fails on rests for 2, 4, 8 … blocks, until it goes once."""

    def __init__(self) -> None:
        self._failed: dict[frozenset[tuple[Address, Token]], tuple[int, int]] = {}

    def rests(self, hops: Iterable[Swap | Step], number: int) -> bool:
        """Whether it is not to be planned on block `number`."""
        _, until = self._failed.get(_walk(hops), (0, 0))
        return number < until

    def note(self, hops: Iterable[Swap | Step], number: int, *, went: bool) -> None:
        """How it was simulated on block `number`."""
        walk = _walk(hops)
        failures, _ = self._failed.pop(walk, (0, 0))
        if went:
            return
        failures += 1
        rest = min(2 ** (failures - FAILURES + 1), LONGEST_REST_BLOCKS) if failures >= FAILURES else 0
        self._failed[walk] = failures, number + 1 + rest
        if len(self._failed) > _KEPT:
            del self._failed[next(iter(self._failed))]


def _walk(hops: Iterable[Swap | Step]) -> frozenset[tuple[Address, Token]]:
    """Through which pools, and which way; wherever it begins."""
    return frozenset((each.hop.pool, each.token_in) for each in hops if each.hop is not None)
