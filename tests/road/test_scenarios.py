"""The whole road on small real chains: these pools, these transactions, exactly this route, amount, gain and ledger."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from bot.ledger.ledger import Ledger
from bot.ledger.pnl import gas_of_intent, marks_of
from bot.ledger.reading import Decision, decisions, events
from bot.ledger.summary import summarise
from tests.road import scenario as scenarios
from tests.road.scenario import DecisionExpected, SettledExpected, units
from tests.road.small import SmallRoad, open_road


@pytest.mark.parametrize("name", scenarios.names())
async def test_the_road_does_exactly_what_the_scenario_says(name: str, tmp_path: Path) -> None:
    scenario = scenarios.read(name)
    async with AsyncExitStack() as stack:
        road = await open_road(scenario, tmp_path, stack)
        settled: dict[int, str] = {}
        for number, step in enumerate(scenario.steps):
            if step.book:
                road.show(step.book)
            if step.reorg:
                await road.reorganise(step.reorg, keep=step.keep)
                await road.follow()
            else:
                await road.mine(step.swaps)
            assert _decided(road) == [_expected(each) for each in step.decisions], f"decisions of step {number}"
            assert _settled(road, settled) == [_gained(each) for each in step.settled], f"settled in step {number}"
        await _check_the_end(road)


async def _check_the_end(road: SmallRoad) -> None:
    scenario, ledger = road.scenario, road.ledger
    assert (await road.reconciled()).equal
    assert ledger.open_intents() == ()
    result = summarise(ledger, scenario.strategies)
    gas = {name: _gas(ledger, name) for name in scenario.strategies}
    gained = {name: result.net_profit_wei[name] + gas[name] for name in scenario.strategies}
    for name in scenario.strategies:
        assert _sized(gained[name]) == _sized(units(scenario.gained.get(name, "0"))), name
    assert {event.name for event in events(ledger)} == set(scenario.events)


def _gas(ledger: Ledger, strategy: str) -> int:
    intents = [found.intent_id for found in decisions(ledger, strategy=strategy) if found.intent_id is not None]
    with ledger.read() as connection:
        marks = marks_of(connection, ledger.run.id)
        return sum(gas_of_intent(connection, intent, marks) for intent in intents)


def _decided(road: SmallRoad) -> list[DecisionExpected]:
    """What was decided on the present head, best first."""
    assert road.engine.head is not None
    found = [made for made in decisions(road.ledger) if made.block_number == road.engine.head.number]
    return [_shown(road, made) for made in reversed(found)]


def _shown(road: SmallRoad, made: Decision) -> DecisionExpected:
    plan = road.ledger.plan(made.plan_id)
    names = {facts.address: name for name, facts in road.pools.items()}
    order = next((f"{order.side} {order.base.whole(order.amount).normalize():f}" for order in plan.orders), "")
    return DecisionExpected(
        pools=tuple(names[swap.hop.pool] for swap in plan.swaps),
        amount_in=_sized(plan.swaps[0].amount_in),
        gain=_sized(plan.expected_profit_wei),
        outcome=made.reason or "sent",
        order=order,
    )


def _settled(road: SmallRoad, before: dict[int, str]) -> list[SettledExpected]:
    """What the chain has answered since `before`, which is brought up to now."""
    told = [event.detail for event in events(road.ledger) if event.name == "not_as_simulated"]
    answered = []
    for made in reversed(decisions(road.ledger)):
        intent = made.intent_id
        if intent is None:
            continue
        block_hash = road.ledger.intent(intent).block_hash or ""
        if block_hash and before.get(intent) != block_hash:
            with road.ledger.read() as connection:
                marks = marks_of(connection, road.ledger.run.id)
                gain = road.ledger.profit_of(intent) + gas_of_intent(connection, intent, marks)
            explained = next((line.split(": ", 1)[1] for line in told if line.startswith(f"intent {intent},")), "")
            answered.append(SettledExpected(_sized(gain), str(made.mined_as), _cause(explained)))
        before[intent] = block_hash
    return answered


def _cause(explained: str) -> str:
    """The kind of an explanation, without the hashes in it."""
    causes = ("others moved", "after its deadline", "no other transaction")
    return next((cause for cause in causes if cause in explained), explained)


def _expected(decision: DecisionExpected) -> DecisionExpected:
    return replace(decision, amount_in=_sized(units(decision.amount_in)), gain=_sized(units(decision.gain)))


def _gained(settled: SettledExpected) -> SettledExpected:
    return replace(settled, gain=_sized(units(settled.gain)))


def _sized(wei: int) -> str:
    """To eleven digits: a size is found in floating point, and only then made exact."""
    return f"{Decimal(wei).scaleb(-18):.10E}"


def _greatest_gain(reserves: list[tuple[int, int]]) -> int:
    """The best gain of a cycle of pairs with a fee of 0.3 %, found without the bot: y = a·x / (b + c·x) all along.

    The best input of the composed curve is (√(a·b) - b) / c.
    """
    with localcontext(prec=80):
        a, b, c = Decimal(1), Decimal(1), Decimal(0)
        for reserve_in, reserve_out in reserves:
            a, b, c = 997 * reserve_out * a, 1000 * reserve_in * b, 1000 * reserve_in * c + 997 * a
        best = int(((a * b).sqrt() - b) / c)
    amount = best
    for reserve_in, reserve_out in reserves:
        amount = amount * 997 * reserve_out // (reserve_in * 1000 + amount * 997)
    return amount - best


@pytest.mark.parametrize("name", ["two_pools", "cheaper_gas", "front_run", "reorg_kept", "budget"])
def test_the_gain_a_scenario_expects_is_the_greatest_there_is(name: str) -> None:
    scenario = scenarios.read(name)
    (expected,) = scenario.steps[0].decisions
    given = {pool.name: pool.holds for pool in scenario.pools}
    first, second = (given[pool] for pool in expected.pools)
    reserves = [(units(first["WETH"]), units(first["MID"])), (units(second["MID"]), units(second["WETH"]))]
    assert abs(_greatest_gain(reserves) - units(expected.gain)) <= 1


def test_a_scenario_with_a_key_that_means_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.toml").write_text('why = ""\nsurprise = 1\npools = []\nsteps = []\n[gained]\n')
    monkeypatch.setattr(scenarios, "FOLDER", tmp_path)
    with pytest.raises(TypeError, match="surprise"):
        scenarios.read("odd")
