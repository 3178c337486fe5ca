"""Budgets under whatever may happen: signatures, settlements, clocks that jump, crashes, bumps and grants.

The model keeps all that ever happened and sums it anew. After each step every window that ever ended at a signature is
within its limit; what fits is not refused. `FixedWindows` is the broken twin: it counts by calendar hours, as many do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.reasons import Refusal
from bot.signer.budget import MINUTE_S, Asked, Broken, Budgets
from bot.signer.entries import Draw, Entry, Settlement
from bot.signer.gap import DAY_S, HOUR_S
from bot.signer.policy import StrategyLimits
from bot.signer.switch import TOTAL
from chains.assets import ZERO_ADDRESS

NAMES = ("dex", "cex")
OWN = StrategyLimits(
    per_trade_wei=100,
    hour_loss_wei=250,
    day_loss_wei=600,
    day_gas_wei=300,
    min_profit_wei=0,
    lifetime_loss_wei=2_000,
    exposure_wei=150,
)
ALL = replace(OWN, hour_loss_wei=400, day_loss_wei=900, day_gas_wei=450, lifetime_loss_wei=3_000, exposure_wei=200)
RATED = replace(ALL, transactions_a_minute=20)
LIMITS = {"dex": OWN, "cex": OWN, TOTAL: RATED}
GRANT_HOUR_WEI = 60


@dataclass
class HourGrant:
    """One grant of `GRANT_HOUR_WEI` beyond dex's hourly loss, for a time."""

    not_before_s: float
    not_after_s: float

    def available(self, strategy: str, limit: str, now_s: float) -> Mapping[str, int]:
        holds = (strategy, limit) == ("dex", "hour_loss") and self.not_before_s <= now_s < self.not_after_s
        return {"the grant": GRANT_HOUR_WEI} if holds else {}


@dataclass
class Book:
    """Everything that ever happened, by the windows' own clock."""

    entries: list[Entry] = field(default_factory=list)

    def lost(self, name: str, since_s: float, until_s: float) -> int:
        """Within (since, until]."""
        done = (entry.settlement for entry in self._of(name) if entry.settlement is not None)
        return sum(settlement.loss_wei for settlement in done if since_s < settlement.at_s <= until_s)

    def spent(self, name: str, since_s: float, until_s: float) -> int:
        """Lost within (since, until], and reserved."""
        reserved = sum(entry.worst_case_wei for entry in self._of(name) if entry.settlement is None)
        return reserved + self.lost(name, since_s, until_s)

    def gas(self, name: str, since_s: float, until_s: float) -> int:
        """Burned within (since, until], and reserved. Of what is lost in no block that is known, all."""
        total = 0
        for entry in self._of(name):
            done = entry.settlement
            if done is None:
                total += entry.worst_gas_wei
            elif since_s < done.at_s <= until_s:
                total += done.gas_cost_wei or min(max(0, -done.profit_wei), entry.worst_gas_wei)
        return total

    def exposed(self, name: str) -> int:
        return sum(it.exposure_wei for it in self._of(name) if it.settlement is None and not it.covered)

    def signed(self, name: str, since_s: float) -> int:
        return sum(entry.at_s > since_s for entry in self._of(name))

    def _of(self, name: str) -> list[Entry]:
        return [entry for entry in self.entries if name in (TOTAL, entry.strategy)]


class FixedWindows(Budgets):
    """The broken twin: an hour begins on the hour, so that twice its limit fits around its end."""

    def usage(self, strategy: str, now_s: float):  # type: ignore[no-untyped-def]
        usage = super().usage(strategy, now_s)
        begun_s = math.floor(now_s / HOUR_S) * HOUR_S
        settled = self._accounts[strategy].day.settled
        lost = sum(lost_wei for at_s, lost_wei, _ in settled if at_s >= begun_s)
        return replace(usage, hour_loss_wei=lost + usage.reserved_wei)


class BudgetMachine(RuleBasedStateMachine):
    """One signer's budgets, driven at random."""

    kind: type[Budgets] = Budgets

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.budgets = self.kind([])
        self.wall_s = self.now_s = 1_000_000_000.0
        self.grants = HourGrant(math.inf, math.inf)
        self.drawn = 0
        self.count = 0

    @initialize(from_s=st.integers(0, 20_000), lasts_s=st.integers(0, 20_000))
    def granted(self, from_s: int, lasts_s: int) -> None:
        self.grants = HourGrant(self.now_s + from_s, self.now_s + from_s + lasts_s)

    @rule(by_s=st.one_of(st.integers(0, 90), st.integers(0, 5400), st.integers(-90_000, 90_000)))
    def clock_moves(self, by_s: int) -> None:
        """Forwards or, set by somebody, backwards; the windows' clock never goes back."""
        self.wall_s += by_s
        self.now_s = max(self.now_s, self.wall_s)

    @rule(
        name=st.sampled_from(NAMES),
        worst=st.integers(0, 120),
        gas=st.integers(0, 60),
        exposure=st.one_of(st.just(0), st.integers(0, 80)),
    )
    def sign(self, name: str, worst: int, gas: int, exposure: int) -> None:
        asked = Asked(name, max(worst, gas), gas, exposure)
        decided = self.budgets.check(asked, {name: LIMITS[name], TOTAL: RATED}, self.grants, self.now_s)
        over = self._beyond(asked)
        if isinstance(decided, Refusal | Broken):
            assert over is None or over > self._grantable(name), decided
            return
        assert over is not None and over <= self._grantable(name), "what does not fit was allowed"
        assert sum(draw.wei for draw in decided) == over
        self._keep(asked, decided)

    @precondition(lambda self: any(entry.settlement is None for entry in self.book.entries))
    @rule(data=st.data(), gas=st.integers(0, 60), profit=st.integers(-150, 60))
    def settle(self, data: st.DataObject, gas: int, profit: int) -> None:
        waiting = [index for index, entry in enumerate(self.book.entries) if entry.settlement is None]
        index = data.draw(st.sampled_from(waiting))
        entry = self.book.entries[index]
        done = Settlement(min(gas, entry.worst_gas_wei), profit, self.now_s)
        self.book.entries[index] = replace(entry, settlement=done)
        self.budgets.settle(entry, done)
        drawn = sum(draw.wei for draw in entry.draws)
        self.drawn -= max(0, drawn - done.loss_wei)

    @precondition(lambda self: any(entry.settlement is None for entry in self.book.entries))
    @rule(data=st.data())
    def done_on_both_sides(self, data: st.DataObject) -> None:
        """Not final: it may be undone, as long as its exposure finds room again."""
        waiting = [index for index, entry in enumerate(self.book.entries) if entry.settlement is None]
        index = data.draw(st.sampled_from(waiting))
        entry = self.book.entries[index]
        self.book.entries[index] = replace(entry, covered=True)
        self.budgets.cover(self.book.entries[index])

    @rule()
    def crash(self) -> None:
        """Only the journal is left; the wall clock may stand anywhere."""
        unsettled_first = sorted(
            self.book.entries, key=lambda entry: -math.inf if entry.settlement is None else entry.settlement.at_s
        )
        self.budgets = self.kind(unsettled_first)

    @invariant()
    def no_window_is_exceeded(self) -> None:
        """Every hour and every day that ends now; and, since losses are dated, every one that ended before."""
        for name, limits in LIMITS.items():
            granted = sum(draw.wei for entry in self.book.entries for draw in entry.draws)
            beyond = sum(
                max(0, it.settlement.loss_wei - it.worst_case_wei)
                for it in self.book.entries
                if it.settlement is not None
            )
            # A loss beyond its worst case was not the signer's to prevent: it only ends the signing.
            slack = beyond + (granted if name != "cex" else 0)
            assert self.book.spent(name, self.now_s - HOUR_S, self.now_s) <= limits.hour_loss_wei + slack
            assert self.book.spent(name, self.now_s - DAY_S, self.now_s) <= limits.day_loss_wei + slack
            assert self.book.gas(name, self.now_s - DAY_S, self.now_s) <= limits.day_gas_wei
            for until_s in {it.settlement.at_s for it in self.book.entries if it.settlement}:
                assert self.book.lost(name, until_s - HOUR_S, until_s) <= limits.hour_loss_wei + slack
                assert self.book.lost(name, until_s - DAY_S, until_s) <= limits.day_loss_wei + slack
            assert self.book.spent(name, -math.inf, math.inf) <= limits.lifetime_loss_wei + slack
            assert self.book.exposed(name) <= limits.exposure_wei
            assert self.book.signed(name, self.now_s - MINUTE_S) <= limits.transactions_a_minute
        assert self.drawn <= GRANT_HOUR_WEI

    def _beyond(self, asked: Asked) -> int | None:
        """How far `asked` goes beyond dex's hourly loss; None when it breaks what nobody granted more of."""
        over, now_s = 0, self.now_s
        for name in (asked.strategy, TOTAL):
            limits, book = LIMITS[name], self.book
            hour = book.spent(name, now_s - HOUR_S, now_s) + asked.worst_case_wei - limits.hour_loss_wei
            if name == "dex":
                over = max(0, min(hour, asked.worst_case_wei))
                hour = 0
            broken = (
                asked.worst_case_wei + asked.exposure_wei > limits.per_trade_wei,
                hour > 0 and asked.worst_case_wei > 0,
                asked.worst_case_wei > 0
                and book.spent(name, now_s - DAY_S, now_s) + asked.worst_case_wei > limits.day_loss_wei,
                asked.worst_gas_wei > 0
                and book.gas(name, now_s - DAY_S, now_s) + asked.worst_gas_wei > limits.day_gas_wei,
                asked.worst_case_wei > 0
                and book.spent(name, -math.inf, math.inf) + asked.worst_case_wei > limits.lifetime_loss_wei,
                asked.exposure_wei > 0 and book.exposed(name) + asked.exposure_wei > limits.exposure_wei,
                book.signed(name, now_s - MINUTE_S) >= limits.transactions_a_minute,
            )
            if any(broken):
                return None
        return over

    def _grantable(self, name: str) -> int:
        return max(0, self.grants.available(name, "hour_loss", self.now_s).get("the grant", 0) - self.drawn)

    def _keep(self, asked: Asked, draws: tuple[Draw, ...]) -> None:
        self.count += 1
        entry = Entry(
            *(31337, ZERO_ADDRESS, self.count, f"intent-{self.count}", "", asked.strategy),
            *(asked.worst_case_wei, asked.worst_gas_wei, self.now_s, "", "", b""),
            exposure_wei=asked.exposure_wei,
            draws=draws,
        )
        self.book.entries.append(entry)
        self.budgets.reserve(entry)
        self.drawn += sum(draw.wei for draw in draws)


class FixedWindowMachine(BudgetMachine):
    """The same world over the broken twin; what it signs is judged by the windows alone."""

    kind = FixedWindows
