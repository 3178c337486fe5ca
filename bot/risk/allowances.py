"""How far limits stand from the configuration's while a run goes on: changed, or granted more for a while.

The signer judges both; here is only what it said, so that the engine does not refuse what the signer would sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bot.clock import Clock
from bot.reasons import Refusal
from bot.risk.budget import Budget
from bot.signer import grants, limits
from bot.signer.owned import Dropped
from bot.signer.protocol import GrantUsage, Status

Allowance = Callable[[str], Mapping[str, int]]
"""By how much the limits of a strategy, or of all together under "", differ from the configured: wei by field."""

_FIELDS = {
    "per_trade": "per_trade_wei",
    "hour_loss": "hour_loss_wei",
    "day_loss": "day_loss_wei",
    "day_gas": "gas_day_wei",
    "exposure": "capital_wei",
    "drawdown": "drawdown_wei",
}
"""The limits that the engine counts too: their names at the signer, and in a `Budget`."""


def unchanged(scope: str) -> Mapping[str, int]:
    """Every limit as it was configured."""
    return {}


def allowed(budget: Budget, differences: Mapping[str, int]) -> Budget:
    """`budget` as it stands now."""
    return replace(budget, **{name: max(0, getattr(budget, name) + by) for name, by in differences.items()})


class Allowances:
    """What the signer of one run last said, asked again whenever a person changed something."""

    def __init__(self, control: Path, clock: Clock) -> None:
        """`control` is the folder of the run's kill switch."""
        self._clock = clock
        self._dropped = [Dropped(control / folder) for folder in (limits.FOLDER, grants.FOLDER)]
        self._changed: Mapping[str, Mapping[str, int]] = {}
        self._granted: tuple[GrantUsage, ...] = ()

    def of(self, scope: str) -> Mapping[str, int]:
        """What is more, or less, for `scope` now."""
        now_s = self._clock.wall_s()
        found = Counter(self._changed.get(scope, {}))
        for grant in self._granted:
            if grant.strategy == scope and now_s < grant.not_after_s:
                found[grant.limit] += grant.amount_wei
        return {_FIELDS[limit]: by for limit, by in found.items() if limit in _FIELDS}

    async def refresh(self, ask: Callable[[], Awaitable[Status | Refusal]]) -> None:
        """Hear the signer again where a person put something into its folders."""
        now_s = self._clock.wall_s()
        found = [dropped.files(now_s) for dropped in self._dropped]
        if not any(found):
            return
        status = await ask()
        if isinstance(status, Refusal):
            for dropped in self._dropped:
                dropped.look_again()
            return
        self._changed, self._granted = status.limits, tuple(status.grants.values())
