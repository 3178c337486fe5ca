"""Budgets as the signer counts them: sliding windows over its own journal, the worst case of all that is unsettled.

Each strategy has an account, and so have all of them together. A worst case is reserved before anything is signed and
leaves the account only with evidence; what a window has seen leaves it only with time.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.gas import ether
from bot.reasons import Reason, Refusal
from bot.signer.entries import Draw, Entry, Settlement
from bot.signer.gap import DAY_S, HOUR_S, Gap
from bot.signer.limits import CONFIGURED
from bot.signer.policy import StrategyLimits
from bot.signer.protocol import StrategyUsage
from bot.signer.switch import TOTAL

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What one more signature would reserve, in wei. `strategy` is who asks.

    `in_this_trade_wei` is what the same trade has at risk already, where the signature replaces an earlier one.
    """

    strategy: str
    worst_case_wei: int
    worst_gas_wei: int
    exposure_wei: int = 0
    in_this_trade_wei: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A refusal that does not pass by itself: `strategy`, or `TOTAL`, stays halted until a person resumes it."""

    strategy: str
    refusal: Refusal


class Grants(Protocol):
    """Who may go how far beyond a limit."""

    def available(self, strategy: str, limit: str, now_s: float) -> Mapping[str, int]:
        """Wei by the id of each grant in force, whatever was drawn on it before."""
        ...


class NoGrants:
    """Nobody may."""

    def available(self, strategy: str, limit: str, now_s: float) -> Mapping[str, int]:
        return {}


@dataclass(frozen=True, slots=True)
class _Demand:
    """A limit named `limit`: `used` of `most` wei are taken, and `added` more are asked for."""

    reason: Reason
    limit: str
    used: int
    added: int
    most: int


@dataclass(slots=True)
class _Window:
    """What was settled within the last `span_s`, oldest first, as its time, its loss and its gas; and what that comes
    to."""

    span_s: float
    settled: deque[tuple[float, int, int]] = field(default_factory=deque)
    lost_wei: int = 0
    burned_wei: int = 0

    def add(self, settlement: Settlement, worst_gas_wei: int) -> None:
        lost_wei, burned_wei = settlement.loss_wei, settlement.burned_wei(worst_gas_wei)
        self.settled.append((settlement.at_s, lost_wei, burned_wei))
        self.lost_wei += lost_wei
        self.burned_wei += burned_wei

    def until(self, now_s: float) -> _Window:
        """Itself, without what has left it by now."""
        while self.settled and self.settled[0][0] <= now_s - self.span_s:
            _, lost_wei, burned_wei = self.settled.popleft()
            self.lost_wei -= lost_wei
            self.burned_wei -= burned_wei
        return self


@dataclass(slots=True)
class _Account:
    """`signed_s` is a minute's; the sums are of all time, or since a resume."""

    unsettled: dict[str, Entry] = field(default_factory=dict)
    hour: _Window = field(default_factory=lambda: _Window(HOUR_S))
    day: _Window = field(default_factory=lambda: _Window(DAY_S))
    signed_s: deque[float] = field(default_factory=deque)
    lost_wei: int = 0
    result_wei: int = 0
    high_water_wei: int = 0
    failures: int = 0

    def settle(self, entry: Entry, settlement: Settlement) -> None:
        del self.unsettled[entry.intent_id]
        self.hour.add(settlement, entry.worst_gas_wei)
        self.day.add(settlement, entry.worst_gas_wei)
        self.lost_wei += settlement.loss_wei
        self.result_wei += settlement.result_wei
        self.high_water_wei = max(self.high_water_wei, self.result_wei)
        if not settlement.abandoned:
            self.failures = self.failures + 1 if settlement.loss_wei else 0

    def resume(self) -> None:
        self.failures, self.high_water_wei = 0, self.result_wei
        self.signed_s.clear()

    def usage(self, now_s: float) -> StrategyUsage:
        hour, day = self.hour.until(now_s), self.day.until(now_s)
        while self.signed_s and self.signed_s[0] <= now_s - MINUTE_S:
            self.signed_s.popleft()
        reserved = sum(entry.worst_case_wei for entry in self.unsettled.values())
        return StrategyUsage(
            reserved_wei=reserved,
            hour_loss_wei=hour.lost_wei + reserved,
            day_loss_wei=day.lost_wei + reserved,
            day_gas_wei=day.burned_wei + sum(entry.worst_gas_wei for entry in self.unsettled.values()),
            lifetime_loss_wei=self.lost_wei + reserved,
            exposure_wei=sum(entry.exposed_wei for entry in self.unsettled.values()),
            drawdown_wei=self.high_water_wei - self.result_wei,
            failures_in_a_row=self.failures,
            transactions_a_minute=len(self.signed_s),
        )


class Budgets:
    """The journal in memory. A reservation counts in every window until it is settled, however old."""

    def __init__(
        self,
        entries: Iterable[Entry],
        resumed: Mapping[str, float] | None = None,
        gaps: Sequence[Gap] = (),
        replaced: Iterable[tuple[float, str]] = (),
    ) -> None:
        """`entries`, and what was `replaced` within a minute, come as the `Journal` gives them; `resumed` says when a
        strategy, or `TOTAL`, last was. `gaps` are what the journal is silent about.
        """
        self._gaps = gaps
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)
        self._drawn: Counter[str] = Counter()
        waiting = dict(resumed or {})
        signed = list(replaced)
        for entry in entries:
            self._take(entry)
            signed.append((entry.at_s, entry.strategy))
            if entry.settlement is not None:
                for name in [name for name, at_s in waiting.items() if at_s <= entry.settlement.at_s]:
                    del waiting[name]
                    self.resume(name)
                self.settle(entry, entry.settlement)
        for name in waiting:
            self.resume(name)
        for at_s, strategy in sorted(signed):
            for account in self._of(strategy):
                account.signed_s.append(at_s)

    def reserve(self, entry: Entry) -> None:
        """Count a signature from now on."""
        self._take(entry)
        for account in self._of(entry.strategy):
            account.signed_s.append(entry.at_s)

    def replace(self, before: Entry, after: Entry, now_s: float) -> None:
        """Count another signature in place of one that is unsettled."""
        for draw in before.draws:
            self._drawn[draw.grant_id] -= draw.wei
        self._take(after)
        for account in self._of(after.strategy):
            account.signed_s.append(now_s)

    def cover(self, entry: Entry) -> None:
        """Count what an unsettled `entry` has exposed as it says now; its worst case stays reserved."""
        for account in self._of(entry.strategy):
            account.unsettled[entry.intent_id] = entry

    def settle(self, entry: Entry, settlement: Settlement) -> None:
        """Count what came of an unsettled `entry` instead."""
        for account in self._of(entry.strategy):
            account.settle(entry, settlement)
        for draw in entry.draws:
            self._drawn[draw.grant_id] -= max(0, draw.wei - _kept(draw, settlement, entry.worst_gas_wei))

    def resume(self, strategy: str) -> None:
        """Count failures and drawdown of `strategy`, or `TOTAL`, anew from here."""
        self._accounts[strategy].resume()

    @property
    def unsettled(self) -> int:
        return len(self._accounts[TOTAL].unsettled)

    def usage(self, strategy: str, now_s: float) -> StrategyUsage:
        """What `strategy`, or `TOTAL`, has reserved, lost and burned in the windows that end at `now_s`."""
        return self._accounts[strategy].usage(now_s)

    def worst(self, strategy: str, limits: StrategyLimits, now_s: float) -> StrategyUsage:
        """As `usage`, and what may have been lost that the journal is silent about."""
        usage = self.usage(strategy, now_s)
        for gap in self._gaps:
            usage = gap.filled(usage, limits, now_s)
        return usage

    def drawn(self, grant_id: str) -> int:
        """How much of a grant is used up, or reserved."""
        return self._drawn[grant_id]

    def check(
        self, asked: Asked, limits: Mapping[str, StrategyLimits], grants: Grants, now_s: float
    ) -> Refusal | Broken | tuple[Draw, ...]:
        """What must be drawn on grants so that `asked` fits, should everything unsettled end in its worst case.

        `limits` are those of the strategy under its name, and those in total under `TOTAL`.
        """
        draws: list[Draw] = []
        for scope, bounds in limits.items():
            usage = self.worst(scope, bounds, now_s)
            who = scope or "all strategies"
            if refusal := _broken(who, bounds, usage):
                return Broken(scope, refusal)
            for demand in _demands(asked, bounds, usage):
                over = min(demand.added, demand.used + demand.added - demand.most)
                if over <= 0:
                    continue
                drawn = self._draw(grants.available(scope, demand.limit, now_s), demand.limit, over)
                if drawn is None:
                    return _over(who, demand)
                draws += drawn
        return tuple(draws)

    def _draw(self, available: Mapping[str, int], limit: str, wei: int) -> list[Draw] | None:
        draws = []
        for grant_id, amount in available.items():
            part = min(wei, amount - self._drawn[grant_id])
            if part > 0:
                draws.append(Draw(grant_id, limit, part))
                wei -= part
        return None if wei else draws

    def _take(self, entry: Entry) -> None:
        for account in self._of(entry.strategy):
            account.unsettled[entry.intent_id] = entry
        for draw in entry.draws:
            self._drawn[draw.grant_id] += draw.wei

    def _of(self, strategy: str) -> tuple[_Account, _Account]:
        return self._accounts[strategy], self._accounts[TOTAL]


def _broken(who: str, limits: StrategyLimits, usage: StrategyUsage) -> Refusal | None:
    """The breaker that has tripped."""
    if usage.failures_in_a_row >= limits.failures_in_a_row:
        detail = f"{usage.failures_in_a_row} trades lost in a row; the limit is {limits.failures_in_a_row}"
        return Refusal(Reason.SIGNER_BREAKER_FAILURES, f"{who}: {detail}")
    if usage.drawdown_wei and usage.drawdown_wei >= limits.drawdown_wei:
        detail = f"{ether(usage.drawdown_wei)} below the high-water mark; the limit is {ether(limits.drawdown_wei)}"
        return Refusal(Reason.SIGNER_BREAKER_DRAWDOWN, f"{who}: {detail}")
    if usage.transactions_a_minute >= limits.transactions_a_minute:
        detail = (
            f"{usage.transactions_a_minute} signatures within a minute; the limit is {limits.transactions_a_minute}"
        )
        return Refusal(Reason.SIGNER_BUDGET_RATE, f"{who}: {detail}")
    return None


def _demands(asked: Asked, limits: StrategyLimits, usage: StrategyUsage) -> Iterator[_Demand]:
    worst = asked.worst_case_wei
    at_risk = worst + asked.exposure_wei
    yield _Demand(Reason.SIGNER_BUDGET_PER_TRADE, "per_trade", asked.in_this_trade_wei, at_risk, limits.per_trade_wei)
    yield _Demand(Reason.SIGNER_BUDGET_HOUR_LOSS, "hour_loss", usage.hour_loss_wei, worst, limits.hour_loss_wei)
    yield _Demand(Reason.SIGNER_BUDGET_DAY_LOSS, "day_loss", usage.day_loss_wei, worst, limits.day_loss_wei)
    yield _Demand(
        Reason.SIGNER_BUDGET_LIFETIME, "lifetime_loss", usage.lifetime_loss_wei, worst, limits.lifetime_loss_wei
    )
    yield _Demand(Reason.SIGNER_BUDGET_GAS, "day_gas", usage.day_gas_wei, asked.worst_gas_wei, limits.day_gas_wei)
    yield _Demand(
        Reason.SIGNER_BUDGET_EXPOSURE, "exposure", usage.exposure_wei, asked.exposure_wei, limits.exposure_wei
    )
    yield _Demand(
        Reason.SIGNER_BUDGET_DRAWDOWN, "drawdown", usage.drawdown_wei + usage.reserved_wei, worst, limits.drawdown_wei
    )


def _over(who: str, demand: _Demand) -> Refusal:
    detail = f"{ether(demand.used)} are used and {ether(demand.added)} are asked for"
    limit = CONFIGURED.get(demand.limit, demand.limit)
    return Refusal(demand.reason, f"{who}: the {limit} limit is {ether(demand.most)}; {detail}")


def _kept(draw: Draw, settlement: Settlement, worst_gas_wei: int) -> int:
    """How much of what was drawn an outcome uses up for good."""
    if draw.limit == "exposure":
        return 0
    return settlement.burned_wei(worst_gas_wei) if draw.limit == "day_gas" else settlement.loss_wei
