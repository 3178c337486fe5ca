"""What a run's blocks had to give is held against what its plans took."""

from fractions import Fraction

import orjson
import pytest

from bot.gas import ETHER, GasCoin
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerFull
from bot.market.certificate.messages import Certified
from bot.market.dual.capture import Cause
from bot.reasons import Reason, Refusal
from bot.run.certifying import EVENT, NOT_PLANNED, _record, captured
from tests.bot.ledger.given import atomic_plan, open_ledger


@pytest.fixture
def ledger(tmp_path):
    opened = open_ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def certificate(block, bound, within_reach=None, **missed):
    told = {"block": block, "bound_wei": str(bound)}
    if within_reach is not None:
        told |= {"within_reach_wei": str(within_reach), "missed_wei": {key: str(wei) for key, wei in missed.items()}}
    return orjson.dumps(told).decode()


def test_a_run_without_certificates_says_nothing_of_them(ledger):
    assert captured(ledger) is None


def test_captured_and_missed_add_up_to_the_bound(ledger):
    plan, refused = atomic_plan(100), atomic_plan(100, "another")
    block, profit = plan.block_number, plan.expected_profit_wei
    for each in (plan, refused):
        ledger.record_plan(each)
    ledger.record_refusal(Refusal(Reason.BUDGET_GAS, "too much"), refused.strategy, refused.id)
    bound = 10 * profit
    ledger.record_event(Level.INFO, EVENT, certificate(block, bound, 3 * profit, gas=4 * profit, hops=3 * profit))
    ledger.record_event(Level.INFO, EVENT, certificate(block + 1, 5 * profit))
    told = captured(ledger)
    assert (told.blocks, told.explained, told.bound_wei, told.captured_wei) == (2, 1, bound, profit)
    assert told.share == pytest.approx(0.1)
    assert told.missed_wei == {"budget": profit, "gas": 4 * profit, "hops": 3 * profit, NOT_PLANNED: profit}
    assert told.captured_wei + sum(told.missed_wei.values()) == told.bound_wei
    assert orjson.loads(orjson.dumps(told.document()))["captured_wei"] == str(profit)
    assert "10.0% of" in str(told)


@pytest.mark.parametrize("coin", [ETHER, GasCoin(Fraction(1, 5000)), GasCoin(Fraction(3, 7))])
def test_a_certificate_counted_in_another_coin_is_kept_in_ether_and_still_adds_up(ledger, coin):
    missed = {Cause.ROUNDING: 7, Cause.HOPS: 10_003, Cause.GAS: 29_999}
    _record(ledger, coin, Certified(5, 100_000, 100_000 - sum(missed.values()), missed, 0.1))
    _record(ledger, coin, Certified(6, 70_001, None, None, 0.1))
    told = captured(ledger)
    assert (told.blocks, told.explained, told.bound_wei) == (2, 1, coin.worth_wei(100_000))
    assert told.captured_wei + sum(told.missed_wei.values()) == told.bound_wei
    assert told.missed_wei["hops"] == coin.worth_wei(10_003)
    if coin == ETHER:
        assert told.missed_wei == {NOT_PLANNED: 59_991, "rounding": 7, "hops": 10_003, "gas": 29_999}


def test_a_certificate_that_finds_no_space_leaves_whoever_hears_them_to_hear_the_next(ledger, monkeypatch):
    def full(*_):
        raise LedgerFull("no space")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ledger, "record_event", full)
        _record(ledger, ETHER, Certified(5, 100, None, None, 0.1))
    _record(ledger, ETHER, Certified(6, 100, None, None, 0.1))
    assert captured(ledger).blocks == 1
