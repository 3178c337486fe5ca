"""Where gas is paid in another coin: terms, worst cases, verdicts, tips and ledger count what it costs in ETH."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bot.execution.fees import FeePolicy, terms
from bot.execution.routes import Routes
from bot.execution.tips import Tips
from bot.gas import GasCoin
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account as Held
from bot.ledger.records import Mark, WorstCase
from bot.ledger.states import AttemptKind, MinedAs
from bot.reasons import Reason, Refusal
from bot.risk.usage import read_usage
from bot.simulator.verdict import Outcome
from bot.telling import Teller, eth
from chains.assets import ZERO_ADDRESS
from chains.blocks import Block, Receipt
from chains.relays.destinations import MEMPOOL, Mempool
from tests.bot.execution.given import EXECUTOR, MARKS, NETWORK, OPERATOR, POOL, cycle, head, moved, sells_on_chain
from tests.bot.execution.scripted import (
    FEE_POLICY,
    FINALITY_BLOCKS,
    GAS_USED,
    POLICY,
    Connection,
    ScriptedChain,
    ScriptedSimulator,
    desk,
    signer_at,
)
from tests.bot.execution.test_submission import leaves, sent
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market.samples import WETH

COINS = [GasCoin(Fraction(1, 5000)), GasCoin(Fraction(1, 5)), GasCoin(Fraction(3, 7_001))]
PRICE_WEI = 3 * GWEI


@pytest.fixture(params=COINS, ids=lambda coin: str(coin.mark))
def coin(request: pytest.FixtureRequest, ledger: Ledger) -> GasCoin:
    """What the network's coin is worth, in the ledger too."""
    ledger.set_marks([Mark(NETWORK, ZERO_ADDRESS, request.param.mark)])
    found: GasCoin = request.param
    return found


def fees_in(coin: GasCoin) -> FeePolicy:
    return FeePolicy(FEE_POLICY.tip_wei, FEE_POLICY.max_fee_wei, coin=coin)


@contextmanager
def signing(folder: Path, coin: GasCoin) -> Iterator[Connection]:
    with signer_at(folder, replace(POLICY, native_mark=coin.mark)) as connection:
        yield connection


def _events(ledger: Ledger) -> list[str]:
    return [event.detail for event in events(ledger)]


def gains(tx_hash: str, number: int, gain: int) -> Receipt:
    logs = (moved(WETH, POOL.address, EXECUTOR, ETHER + gain), moved(WETH, EXECUTOR, POOL.address, ETHER))
    return Receipt(tx_hash, number, head(number).hash, 3, 1, GAS_USED, PRICE_WEI, logs)


def test_the_terms_pay_for_the_gas_in_ether_and_the_offer_stays_in_coins(coin: GasCoin, ledger: Ledger) -> None:
    plan = cycle()
    on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), None, fee_policy=fees_in(coin))
    prepared, plain = on.prepare(plan, head(10)), FEE_POLICY.fees(plan.gas_estimate, head(10))
    assert prepared.fees == plain
    cost = coin.cost_wei(plan.gas_estimate * FEE_POLICY.gas_price_wei(head(10)))
    assert prepared.terms == terms(plan, cost, MARKS)
    assert prepared.terms.min_gain == plan.min_profit_wei + cost
    worst = coin.cost_wei(plain.worst_cost_wei)
    assert prepared.worst == WorstCase(loss_wei=worst, gas_wei=worst)


def test_a_two_sided_plan_reserves_its_gas_in_ether_beside_what_unwinding_may_cost(
    coin: GasCoin, ledger: Ledger
) -> None:
    plan = sells_on_chain()
    on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), None, fee_policy=fees_in(coin))
    prepared = on.prepare(plan, head(10))
    gas = coin.cost_wei(prepared.fees.worst_cost_wei)
    assert prepared.worst == WorstCase(gas + ETHER // 100, gas, ETHER)


async def test_the_least_profit_after_gas_in_ether_is_enough_and_a_wei_less_is_not(
    coin: GasCoin, ledger: Ledger
) -> None:
    cost = coin.cost_wei(GAS_USED * FEE_POLICY.gas_price_wei(head(10)))
    enough, short = cycle(profit_wei=10**15 + cost), cycle(profit_wei=10**15 + cost - 1)
    for plan, reason in ((enough, None), (short, Reason.SIM_BELOW_MIN_PROFIT)):
        on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), None, fee_policy=fees_in(coin))
        ledger.record_plan(plan)
        judged = await on.verdict(on.prepare(plan, head(10)), head(10))
        assert (judged.reason if isinstance(judged, Refusal) else None) is reason


async def test_a_settled_trades_ledger_budget_and_line_count_its_gas_in_ether(
    coin: GasCoin, ledger: Ledger, tmp_path: Path
) -> None:
    plan, chain = cycle(), ScriptedChain()
    with signing(tmp_path, coin) as signer:
        on = desk(ledger, chain, ScriptedSimulator(plan), signer, fee_policy=fees_in(coin))
        left = await leaves(on, ledger, plan)
        worst = coin.cost_wei(left.intent.fees.worst_cost_wei)
        assert ledger.intent(left.intent.id).worst == WorstCase(worst, worst), "signing it reserves nothing more"
        usage = read_usage(ledger, plan.strategy)
        assert (usage.reserved_gas_wei, usage.reserved_loss_wei) == (worst, worst)
        receipt = chain.receipts[left.tx_hash] = gains(left.tx_hash, 11, plan.expected_profit_wei)
        (settled,) = await on.on_block(Block(head(11), ()))
        burnt, cost = receipt.gas_cost_wei, coin.cost_wei(receipt.gas_cost_wei)
        assert settled.gas_cost_wei == cost
        net = plan.expected_profit_wei - cost
        assert ledger.profit_of(left.intent.id) == net
        assert eth(net) in Teller(0).settled(settled)
        assert ledger.balance(Held.native(NETWORK, OPERATOR)) == 10 * ETHER - burnt, "coins, as the chain counts them"
        usage = read_usage(ledger, plan.strategy)
        assert (usage.gas_day_wei, usage.reserved_gas_wei) == (cost, worst - cost), "it may yet be undone"
        for number in range(12, 12 + FINALITY_BLOCKS):
            await on.on_block(Block(head(number), ()))
        assert [told.gas_cost_wei for told in signer.settled] == [burnt], "what the receipt shows; the signer converts"


async def test_what_reverts_loses_its_gas_in_ether(coin: GasCoin, ledger: Ledger, tmp_path: Path) -> None:
    plan, chain = cycle(), ScriptedChain()
    with signing(tmp_path, coin) as signer:
        on = desk(ledger, chain, ScriptedSimulator(plan), signer, fee_policy=fees_in(coin))
        left = await leaves(on, ledger, plan)
        chain.receipts[left.tx_hash] = replace(gains(left.tx_hash, 11, 0), status=0, logs=())
        (settled,) = await on.on_block(Block(head(11), ()))
    cost = coin.cost_wei(GAS_USED * PRICE_WEI)
    assert settled.intent.mined_as is MinedAs.REVERTED
    assert ledger.profit_of(left.intent.id) == -cost
    usage = read_usage(ledger, plan.strategy)
    assert (usage.day_loss_wei, usage.drawdown_wei, usage.gas_day_wei) == (cost, cost, cost)


async def test_what_replaces_it_is_reserved_in_ether_and_its_noop_is_affordable(
    coin: GasCoin, ledger: Ledger, tmp_path: Path
) -> None:
    plan, chain = replace(cycle(), deadline_block=13), ScriptedChain()
    with signing(tmp_path, coin) as signer:
        simulator = ScriptedSimulator(plan)
        on = desk(ledger, chain, simulator, signer, fee_policy=fees_in(coin))
        left = await leaves(on, ledger, plan)
        for number in (11, 12):
            await on.on_block(Block(head(number), ()))
        call, dearer = ledger.attempts(left.intent.id)
        assert dearer.fees.max_fee_wei > call.fees.max_fee_wei
        assert ledger.intent(left.intent.id).worst.gas_wei == coin.cost_wei(dearer.fees.worst_cost_wei)
        simulator.changes = {"outcome": Outcome.REVERTED, "reason": "TooLittleGained"}
        for number in (13, 14):
            await on.on_block(Block(head(number), ()))
        noop = ledger.attempts(left.intent.id)[-1]
        assert noop.kind is AttemptKind.NOOP
        assert ledger.intent(left.intent.id).worst.gas_wei == coin.cost_wei(dearer.fees.worst_cost_wei)


async def test_a_call_that_no_longer_pays_for_dearer_gas_in_ether_is_not_outbid(ledger: Ledger, tmp_path: Path) -> None:
    coin = GasCoin(Fraction(1, 5))
    ledger.set_marks([Mark(NETWORK, ZERO_ADDRESS, coin.mark)])
    cost = coin.cost_wei(GAS_USED * FEE_POLICY.gas_price_wei(head(10)))
    plan, chain = replace(cycle(profit_wei=10**15 + 2 * cost), deadline_block=13), ScriptedChain()
    with signing(tmp_path, coin) as signer:
        simulator = ScriptedSimulator(plan)
        on = desk(ledger, chain, simulator, signer, fee_policy=fees_in(coin))
        await leaves(on, ledger, plan)
        await on.on_block(Block(head(11), ()))
        simulator.changes = {"gas_price_wei": FEE_POLICY.max_fee_wei}
        await on.on_block(Block(head(12), ()))
        (detail,) = [each for each in _events(ledger) if "would be left" in each]
    left = plan.expected_profit_wei - coin.cost_wei(GAS_USED * FEE_POLICY.max_fee_wei)
    assert f"{left} wei would be left" in detail


async def test_a_tip_is_a_share_of_what_can_be_spared_in_ether_paid_in_coins(
    coin: GasCoin, ledger: Ledger, tmp_path: Path
) -> None:
    chain = ScriptedChain()
    policy, routes = fees_in(coin), Routes({MEMPOOL: Mempool(chain.send_raw)})
    tips = Tips(ledger.inclusions, routes, policy, most_ppm=950_000, max_tip_wei=10**9 * GWEI)
    plan, gas = cycle(profit_wei=3 * 10**15), 150_000
    share_ppm, tip_wei = tips.offered(plan, gas, head(10))
    spare = plan.expected_profit_wei - plan.min_profit_wei - coin.cost_wei(gas * policy.gas_price_wei(head(10), 0))
    assert share_ppm == 500_000 and tip_wei is not None
    assert coin.cost_wei(gas * tip_wei) <= spare // 2 < coin.cost_wei(gas * (tip_wei + 1)) + 1


async def test_the_engine_and_the_signer_agree_to_the_wei(coin: GasCoin, ledger: Ledger, tmp_path: Path) -> None:
    """At the least profit that the policy wants, with gas rounded up on both sides."""
    plan = cycle(profit_wei=10**15 + coin.cost_wei(150_000 * FEE_POLICY.gas_price_wei(head(10))))
    with signing(tmp_path, coin) as signer:
        on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), signer, fee_policy=fees_in(coin))
        assert not isinstance(await sent(on, ledger, plan), Refusal)


async def test_a_signer_that_counts_the_coin_dearer_than_the_engine_refuses(ledger: Ledger, tmp_path: Path) -> None:
    plan = cycle()
    with signing(tmp_path, GasCoin(Fraction(1, 4999))) as signer:
        on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), signer, fee_policy=fees_in(COINS[0]))
        refused = await sent(on, ledger, plan)
    assert isinstance(refused, Refusal)
    assert refused.reason in (Reason.SIGNER_MIN_PROFIT, Reason.SIGNER_WORST_CASE)
