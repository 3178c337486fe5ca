"""The whole road on a small real chain whose gas is paid in a coin that is not ETH."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bot.execution.debts import HedgePolicy
from bot.gas import GasCoin
from bot.ledger.history import history
from bot.ledger.reading import decisions
from bot.ledger.records import Account
from bot.ledger.summary import summarise
from bot.risk.usage import read_usage
from chains.networks import load_network
from tests.contracts.market import OPERATOR
from tests.road import scenario as scenarios
from tests.road.small import SmallRoad, open_road

STRATEGY = "dex_arbitrage"
HELD = 10**19
BASE_FEE_GWEI = 100


async def _mined(name: str, coin: GasCoin, blocks: int, folder: Path, stack: AsyncExitStack) -> SmallRoad:
    scenario = replace(scenarios.read(name), base_fee_gwei=BASE_FEE_GWEI)
    road = await open_road(scenario, folder, stack, coin=coin)
    for _ in range(blocks):
        await road.mine(())
    return road


async def _usage_at_the_signer(road: SmallRoad) -> tuple[int, int]:
    """Gas of the day, and what is reserved, as the signer counts them."""
    status = await road.signer.status()
    usage = status.strategies[STRATEGY]
    return usage.day_gas_wei, usage.reserved_wei


@pytest.mark.parametrize("mark", [Fraction(1, 5000), Fraction(1, 5)])
async def test_a_gap_that_pays_for_its_converted_gas_is_taken_and_booked_to_the_wei(
    mark: Fraction, tmp_path: Path
) -> None:
    """Counted as ETH, the same gas would cost more than the gap gives."""
    coin = GasCoin(mark)
    async with AsyncExitStack() as stack:
        road = await _mined("below_gas", coin, 1, tmp_path, stack)
        (made,) = decisions(road.ledger, strategy=STRATEGY)
        assert made.reason is None and made.intent_id is not None
        intent = road.ledger.intent(made.intent_id)
        worst = coin.cost_wei(intent.fees.worst_cost_wei)
        assert intent.worst.gas_wei == intent.worst.loss_wei == worst
        assert await _usage_at_the_signer(road) == (worst, worst)
        await road.mine(())
        assert (await road.reconciled()).equal
        burnt = HELD - int(await road.anvil.rpc("eth_getBalance", OPERATOR, "latest"), 16)
        assert road.ledger.balance(Account.native("anvil", OPERATOR)) == HELD - burnt
        plan = road.ledger.plan(made.plan_id)
        net = plan.expected_profit_wei - coin.cost_wei(burnt)
        assert net >= plan.min_profit_wei > plan.expected_profit_wei - burnt
        assert road.ledger.profit_of(intent.id) == summarise(road.ledger).net_profit_wei[STRATEGY] == net
        assert read_usage(road.ledger, STRATEGY).gas_day_wei == coin.cost_wei(burnt)
        found = history(road.ledger, made.id)
        assert found is not None and found.intent is not None and found.intent.gas_wei == coin.cost_wei(burnt)
        assert [each.gas_cost_wei for each in found.verdicts] == [
            coin.cost_wei(each.gas_used * each.gas_price_wei) for each in found.verdicts
        ]
        for _ in range(load_network("twin").finality_blocks):
            await road.mine(())
        assert await _usage_at_the_signer(road) == (coin.cost_wei(burnt), 0)


async def test_what_is_unwound_may_cost_the_loss_and_its_converted_gas(tmp_path: Path) -> None:
    coin, scenario = GasCoin(Fraction(1, 5000)), scenarios.read("exchange_dry")
    async with AsyncExitStack() as stack:
        road = await open_road(scenario, tmp_path, stack, coin=coin)
        for step in scenario.steps[:-1]:
            if step.book:
                road.show(step.book)
            await road.mine(step.swaps)
        plan, head = road.ledger.plan(decisions(road.ledger)[0].plan_id), road.engine.head
        assert plan.unwinds and head is not None
        sold, loss_ppm = plan.swaps[0], HedgePolicy().unwind_loss_ppm
        price_wei = coin.cost_wei(road.road.fee_policy.gas_price_wei(head))
        assert sold.token_in.symbol == "WETH"
        assert plan.min_profit_wei == -(sold.amount_in * loss_ppm // 10**6) - plan.gas_estimate * price_wei


async def test_a_coin_dear_enough_makes_the_same_gap_no_opportunity(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await _mined("two_pools", GasCoin(Fraction(10**6)), 2, tmp_path, stack)
        assert decisions(road.ledger) == ()
        assert (await road.reconciled()).equal
