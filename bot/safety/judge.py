"""What trials in several sizes and surroundings say about a token. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.safety.probe import Moved, in_ppm
from bot.safety.report import ApprovalStyle, Oddity, ReturnStyle, Taxes
from bot.safety.scenario import REAL, Surroundings, Trial

MAX_ANSWER_BYTES = 1_024
MAX_TRANSFER_GAS = 400_000
"""Most a transfer may use, the probe's own reads included; the dearest honest tokens need about half of it."""

_WORD = 32
_APPROVALS = {
    (True, True, True): ApprovalStyle.ANY,
    (True, False, True): ApprovalStyle.ZERO_FIRST,
    (True, True, False): ApprovalStyle.NEVER_ZERO,
    (False, False, False): ApprovalStyle.NONE,
}


@dataclass(slots=True)
class Findings:
    """Oddities with a line for a person each, in the order they were found."""

    lines: dict[Oddity, str] = field(default_factory=dict)

    def add(self, oddity: Oddity, line: str) -> None:
        self.lines.setdefault(oddity, line)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the trials showed. `measured` says whether any of them was large enough to show anything."""

    measured: bool
    taxes: Taxes
    rebasing_ppm: int
    returns: ReturnStyle
    approvals: ApprovalStyle
    zero_transfer: bool | None
    transfer_gas: int


def behaviour(trials: Mapping[int, Mapping[Surroundings, Trial]], findings: Findings) -> Behaviour:
    """Judge trials by size (in base units of the base) and surroundings; what is odd is added to `findings`."""
    real = {amount: around[REAL] for amount, around in sorted(trials.items()) if _told_something(around[REAL])}
    tried = list(real.values())
    _sales(real, findings)
    for trial in tried:
        _exactness(trial, findings)
    if any(trial.exhausted for around in trials.values() for trial in around.values()):
        findings.add(
            Oddity.GAS_HUNGRY, "a trial of it ends half-way: it takes all the gas, or tells balances beyond any number"
        )
    _surroundings(trials.values(), findings)
    direct = [move for trial in tried for move in (trial.gift, trial.to_pool) if move.asked and move.succeeded]
    rests = [in_ppm(after - before, before) for trial in tried for before, after in trial.rests if before]
    changes = max(rests, key=abs, default=0)
    if changes:
        findings.add(Oddity.REBASING, f"a balance that nobody touched changed by {changes} ppm")
    return Behaviour(
        measured=bool(tried),
        taxes=_taxes(tried),
        rebasing_ppm=changes,
        returns=_returns(direct, findings),
        approvals=_APPROVALS.get(tried[0].approvals, ApprovalStyle.OTHER) if tried else ApprovalStyle.UNKNOWN,
        zero_transfer=all(trial.nothing.succeeded for trial in tried) if tried else None,
        transfer_gas=_gas(direct, findings),
    )


def _told_something(trial: Trial) -> bool:
    """A purchase of less than one unit says nothing."""
    return trial.buy is None or trial.buy.asked > 0 or not trial.buy.succeeded


def _sales(real: Mapping[int, Trial], findings: Findings) -> None:
    """Whether it can be bought, sold at once, sold later, and given, in every size."""
    bought = {amount: trial for amount, trial in real.items() if trial.buy is None or trial.buy.succeeded}
    if not bought and real:
        findings.add(Oddity.BUY_BLOCKED, "the pool cannot send it to a buyer in any size tried")
    elif len(bought) < len(real):
        findings.add(Oddity.AMOUNT_LIMIT, f"small amounts are bought, {max(real)} of the base is not")
    for trial in bought.values():
        tries = [move for move in trial.sells if move.asked]
        if tries and not any(move.succeeded for move in tries):
            findings.add(Oddity.SELL_BLOCKED, "what was bought cannot be sold, not even a day later")
        elif tries and not all(move.succeeded for move in tries):
            findings.add(Oddity.COOLDOWN, "what was bought can be sold later, but not at once")
        if trial.gift.asked and not trial.gift.succeeded and Oddity.COOLDOWN not in findings.lines:
            findings.add(Oddity.TRANSFER_BLOCKED, "it cannot be transferred to another account")


def _exactness(trial: Trial, findings: Findings) -> None:
    for oddity, ways in _ways(trial):
        tax = _worst(ways)
        if tax:
            findings.add(oddity, f"of what was asked to move, {tax} ppm did not arrive")
    if trial.to_itself.succeeded and trial.to_itself.received and Oddity.TRANSFER_TAX not in findings.lines:
        findings.add(Oddity.SELF_TRANSFER, f"a transfer to oneself changes the balance by {trial.to_itself.received}")
    if trial.gift.asked and trial.gift.succeeded and trial.told != (trial.gift.lost, trial.gift.received):
        findings.add(
            Oddity.EVENTS_DIFFER,
            f"its events say {trial.told[1]} arrived where {trial.gift.received} did",
        )


def _ways(trial: Trial) -> tuple[tuple[Oddity, Sequence[Moved]], ...]:
    return (
        (Oddity.BUY_TAX, (trial.buy,) if trial.buy is not None else ()),
        (Oddity.SELL_TAX, (*trial.sells, trial.to_pool)),
        (Oddity.TRANSFER_TAX, (trial.gift,)),
    )


def _taxes(tried: Sequence[Trial]) -> Taxes:
    found: dict[Oddity, list[Moved]] = {}
    for trial in tried:
        for oddity, ways in _ways(trial):
            found.setdefault(oddity, []).extend(ways)
    return Taxes(*(_worst(found.get(way, ())) for way in (Oddity.BUY_TAX, Oddity.SELL_TAX, Oddity.TRANSFER_TAX)))


def _worst(ways: Iterable[Moved]) -> int | None:
    """The greatest difference among those that went through; None if none did."""
    seen = [move.tax_ppm for move in ways if move.succeeded and move.asked]
    return max(seen, key=abs, default=None)


def _surroundings(trials: Iterable[Mapping[Surroundings, Trial]], findings: Findings) -> None:
    for around in trials:
        expected = [_balances(move) for move in around[REAL].moves]
        for surroundings, trial in around.items():
            if [_balances(move) for move in trial.moves] != expected:
                findings.add(Oddity.SIMULATION_AWARE, f"it behaves otherwise in {surroundings.name}")


def _balances(move: Moved) -> tuple[int, ...]:
    return (move.succeeded, move.asked, move.lost, move.received, move.answer)


def _returns(direct: Sequence[Moved], findings: Findings) -> ReturnStyle:
    if not direct:
        return ReturnStyle.UNKNOWN
    longest = max(move.answer_size for move in direct)
    if longest > MAX_ANSWER_BYTES:
        findings.add(Oddity.RETURN_BOMB, f"a transfer answers {longest} bytes")
    if all(move.answer_size == 0 for move in direct):
        return ReturnStyle.NOTHING
    if all(move.answer_size >= _WORD and move.answer == 1 for move in direct):
        return ReturnStyle.TRUE
    findings.add(Oddity.ANSWERS_FALSE, "a transfer that moves the amount does not answer true")
    return ReturnStyle.FALSE if all(move.answer == 0 for move in direct) else ReturnStyle.OTHER


def _gas(direct: Sequence[Moved], findings: Findings) -> int:
    most = max((move.gas_used for move in direct), default=0)
    if most > MAX_TRANSFER_GAS:
        findings.add(Oddity.GAS_HUNGRY, f"a transfer uses {most} gas")
    return most
