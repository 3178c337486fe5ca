"""How the kill switch stands for the signer: what persons and files say, and what its own breakers have tripped.

A change is in the journal before anything is decided on it. A breaker that tripped while signing is thrown for
everybody once nobody signs; where the switch cannot be written, it holds inside this process all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from bot.reasons import Reason, Refusal
from bot.signer.journal import Journal, JournalError
from bot.signer.switch import TOTAL, KillSwitch, Look, Switch, SwitchUnwritten, Trading

SWITCHED = "switch"
OVERRIDDEN = "overridden"
RESUMED = "resumed"
_BY = "the signer"


class Breakers:
    """The switches as one signer reads and sets them."""

    def __init__(
        self,
        switch: KillSwitch,
        journal: Journal,
        now_s: Callable[[], float],
        monotonic_ns: Callable[[], int],
        on_resumed: Callable[[str], None],
        dead_man_s: int,
    ) -> None:
        """`on_resumed` notes and counts whom a person let go on; `dead_man_s` is how long books may be unproven; 0: for
        ever. That is measured by `monotonic_ns`, which nobody sets; what happens is noted by `now_s`.
        """
        self.switch = switch
        self._journal = journal
        self._now_s = now_s
        self._on_resumed = on_resumed
        self._dead_man_s = dead_man_s
        self._monotonic_ns = monotonic_ns
        self._proven_ns = monotonic_ns()
        self._tripped: dict[str, Switch] = {}
        self._seen: dict[str, str] = {}
        self._over = ""

    def resumed(self, audit: Iterable[tuple[float, str, str]]) -> Mapping[str, float]:
        """When each strategy, or `TOTAL`, last was let go on; how the switches stood is taken up from there."""
        resumed = {}
        for at_s, what, detail in audit:
            if what == RESUMED:
                resumed[detail] = at_s
            elif what == SWITCHED:
                name, _, said = detail.partition(": ")
                self._seen[name] = said
            elif what == OVERRIDDEN:
                self._over = detail
        return resumed

    def standing(self, strategy: str) -> Switch:
        """How the switch stands for `strategy` now."""
        look = self.switch.look()
        self._note(look)
        return self._held(look, strategy)

    def shown(self, strategy: str) -> Switch:
        """As `standing`, and nothing is noted: it can be told where the journal cannot be written. Never raises."""
        return self._held(self.switch.look(), strategy)

    def wind_up(self) -> None:
        """The books were just proven."""
        self._proven_ns = self._monotonic_ns()

    def unproven(self) -> Refusal | None:
        """The dead man's switch: nobody has proven the books for too long."""
        silent_s = (self._monotonic_ns() - self._proven_ns) / 1e9
        if not self._dead_man_s or silent_s <= self._dead_man_s:
            return None
        because = f"the books were last proven {silent_s:.0f} s ago; {self._dead_man_s} s are allowed"
        refusal = Refusal(Reason.SIGNER_DEAD_MAN, because)
        self.trip(TOTAL, str(refusal))
        return refusal

    def trip(self, name: str, because: str) -> None:
        """Halt `name` from now on."""
        self._tripped.setdefault(name, Switch(Trading.HALTED, _BY, because, self._now_s()))

    def throw(self) -> None:
        """Set the switches that tripped, for everybody."""
        for name, tripped in list(self._tripped.items()):
            try:
                thrown = self.switch.set(name, tripped.state, by=_BY, because=tripped.because, at_s=tripped.at_s)
            except SwitchUnwritten as error:
                print(f"signer: {error}; halted all the same: {tripped.because}", file=sys.stderr)
                continue
            del self._tripped[name]
            # Whoever resumes before the next look would not be seen to. What cannot be noted now is noted by that look.
            with suppress(JournalError):
                self._saw(name, str(thrown))

    def _held(self, look: Look, strategy: str) -> Switch:
        for name in (TOTAL, strategy):
            if name in self._tripped:
                return self._tripped[name]
        return look.standing.of(strategy)

    def _note(self, look: Look) -> None:
        """What is over all switches, such as a file by hand, changes none of them: when it goes, nobody resumed."""
        over = str(look.over or "")
        if over != self._over:
            self._journal.note(self._now_s(), OVERRIDDEN, over)
            self._over = over
        if look.stored is None:
            return
        now = {name: str(switch) for name, switch in look.stored.switches.items()}
        for name in sorted({*now, *self._seen}):
            before, after = self._seen.get(name, str(Trading.ACTIVE)), now.get(name, str(Trading.ACTIVE))
            if after != before:
                # First: one who ends between the two has it resumed again, and not only seen to be.
                if not before.startswith(Trading.ACTIVE) and after.startswith(Trading.ACTIVE):
                    self._resume(name)
                self._saw(name, after)

    def _saw(self, name: str, said: str) -> None:
        if self._seen.get(name) != said:
            self._journal.note(self._now_s(), SWITCHED, f"{name}: {said}")
            self._seen[name] = said

    def _resume(self, name: str) -> None:
        """A person let it go on: its failures, its drawdown and the dead man's time count from here."""
        self._on_resumed(name)
        self._tripped.pop(name, None)
        self._proven_ns = self._monotonic_ns()
