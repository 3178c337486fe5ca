"""The kill switch as the engine obeys it: halted, no plan and no order; reducing, nothing but what takes back."""

from __future__ import annotations

from collections.abc import Callable

from bot.clock import Clock
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.signer.switch import TOTAL, KillSwitch, Look, Switch, SwitchUnwritten, Trading

MayHold = Callable[[Plan], Refusal | None]


class Halting:
    """The switches of one run, and who sets them on the engine's side."""

    def __init__(self, switch: KillSwitch, clock: Clock) -> None:
        self._switch = switch
        self._clock = clock

    def look(self) -> Look:
        """Every switch as it was set, and what stands over them now."""
        return self._switch.look()

    def refusal(self, plan: Plan) -> Refusal | None:
        """Why `plan` may not be begun now. A plan that unwinds another reduces; nothing else does."""
        switch = self._switch.of(plan.strategy)
        if switch.state is Trading.HALTED:
            return Refusal(Reason.TRADING_HALTED, str(switch))
        if switch.state is Trading.REDUCING and not plan.unwinds:
            return Refusal(Reason.TRADING_REDUCING, str(switch))
        return None

    def stopped(self, strategy: str) -> str | None:
        """Why nothing of `strategy` is begun; None while it is."""
        switch = self._switch.of(strategy)
        return None if switch.state is Trading.ACTIVE else str(switch)

    def before(self, may_hold: MayHold) -> MayHold:
        """`may_hold`, asked only of plans that may be begun at all."""
        return lambda plan: self.refusal(plan) or may_hold(plan)

    def may_order(self, strategy: str) -> bool:
        """Whether an order that covers what `strategy` owes may be placed."""
        return self._switch.of(strategy).state is not Trading.HALTED

    def halt(self, by: str, because: str, strategy: str = TOTAL, *, flatten: bool = False) -> Switch:
        """Halt everything, or `strategy`; with `flatten` once it owes nothing, but what is halted stays so. Everything
        is halted by a file where the switch cannot be set. Raises `SwitchUnwritten`.
        """
        state, at_s = Trading.REDUCING if flatten else Trading.HALTED, self._clock.wall_s()
        try:
            return self._switch.set(
                strategy, state, by=by, because=because, at_s=at_s, then_halt=flatten, tightens=True
            )
        except SwitchUnwritten as error:
            if flatten or strategy != TOTAL:
                raise
            return self._switch.halt_by_file(error)

    def flat(self, strategy: str, flattened: Switch) -> Switch:
        """What `flattened` was to halt once it owes nothing owes nothing. Raises `SwitchUnwritten`."""
        because = f"nothing is owed any more; {flattened.because}"
        return self._switch.set(strategy, Trading.HALTED, by=flattened.by, because=because, at_s=self._clock.wall_s())
