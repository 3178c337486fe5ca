"""What a large plan comes to where its pools move first: foreseen by quotes, judged, kept, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deciding import Deciding
from bot.execution import moving
from bot.execution.build import Terms
from bot.execution.halving import halved
from bot.execution.judging import Bearing
from bot.execution.moving import brought
from bot.execution.transactions import TransactionDesk
from bot.ledger.history import history
from bot.ledger.ledger import Ledger
from bot.ledger.reading import decisions
from bot.market import Market
from bot.plan import Plan, Swap
from bot.reasons import Reason, Refusal
from bot.replay.why import screen
from bot.simulator.sensitivity import movers
from bot.simulator.verdict import LEVELS_BPS, IfMoved, Outcome, Verdict
from bot.turns import Turns
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.pools.pool import Pool
from chains.pools.wrapping_native import WrappedNativePool
from tests.bot.execution import given as at
from tests.bot.execution.scripted import FEE_POLICY, GAS_USED, ScriptedChain, ScriptedSimulator, desk
from tests.bot.ledger.given import ETHER
from tests.bot.market import samples
from tests.bot.market.samples import DAI, USDC, WETH

HEAD = at.head(10)
LOST = GAS_USED * FEE_POLICY.gas_price_wei(HEAD)
CHEAP = samples.v2(1, WETH, USDC, (1_000 * ETHER, 2_010_000 * 10**6), fee_ppm=500)
DEAR = samples.v3(2, WETH, USDC, -200_000, [(-240_000, -180_000, 10**18)], fee_ppm=500)
POOLS = (CHEAP, samples.v2(3, USDC, DAI, (2_000_000 * 10**6, 2_000_000 * ETHER), fee_ppm=100), DEAR)


def one_swap(pool: Pool, token_in: Token, amount: int) -> Plan:
    token_out = pool.tokens[0] if token_in == pool.tokens[1] else pool.tokens[1]
    swap = Swap(pool.hop(token_in), token_in, token_out, amount, pool.quote(token_in, amount))
    return replace(at.sells_on_chain(), legs=(swap,))


def gaining(weth: int = ETHER) -> tuple[Plan, Market]:
    """WETH sold dear, bought back cheap: a cycle that bears 10 bps, and not 100."""
    dear = samples.v2(4, WETH, USDC, (1_000 * ETHER, 2_030_000 * 10**6), fee_ppm=500)
    dollars = dear.quote(WETH, weth)
    there = Swap(dear.hop(WETH), WETH, USDC, weth, dollars)
    back = Swap(CHEAP.hop(USDC), USDC, WETH, dollars, CHEAP.quote(USDC, dollars))
    profit = back.amount_out - weth
    return replace(at.cycle(profit_wei=profit), legs=(there, back)), samples.market(dear, CHEAP)


@given(st.sampled_from(POOLS), st.integers(0, 1), st.integers(1, 200), st.integers(10**3, 10**6))
def test_a_pool_moved_by_so_many_bps_brings_so_much_less(pool: Pool, side: int, bps: int, millionths: int) -> None:
    token = pool.tokens[side]
    amount = 10**token.decimals * millionths // 10**4
    plan = one_swap(pool, token, amount)
    (left,) = brought(plan, samples.market(pool), [bps])
    usual = plan.swaps[0].amount_out
    assert left is not None
    assert usual - left == pytest.approx(usual * bps / 10_000, rel=1.1e-3, abs=2)


def test_of_several_levels_the_later_ones_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for before a plan is signed."""
    tried: list[int] = []
    behind = moving._behind

    def trying(pool: Pool, swap: Swap, trade: int) -> tuple[Pool | None, int]:
        tried.append(trade)
        return behind(pool, swap, trade)

    monkeypatch.setattr(moving, "_behind", trying)
    plan, market = gaining()
    brought(plan, market, LEVELS_BPS)
    at_first = 2
    assert len(tried) <= len(plan.swaps) * (at_first + len(LEVELS_BPS) - 1)


def test_what_a_plan_brings_falls_with_every_pool_that_moves() -> None:
    plan, market = gaining()
    (still, *moved) = brought(plan, market, (0, *LEVELS_BPS))
    assert still is not None and still == pytest.approx(plan.swaps[-1].amount_out, rel=1e-9)
    # Two pools that each bring b bps less leave 2 b bps less.
    for bps, left in zip(LEVELS_BPS, moved, strict=True):
        assert left is not None and (still - left) * 10_000 / still == pytest.approx(2 * bps, rel=0.02)


def test_a_pool_that_is_not_known_or_cannot_be_moved_so_far_brings_nothing() -> None:
    plan, _ = gaining()
    assert brought(plan, samples.market(CHEAP), LEVELS_BPS) == [None, None, None]
    narrow = samples.v3(5, WETH, USDC, 0, [(-60, 60, 10**18)], fee_ppm=500)
    assert brought(one_swap(narrow, WETH, 10**14), samples.market(narrow), (1, 100)) == [
        pytest.approx(narrow.quote(WETH, 10**14) * 0.9999, rel=1e-6),
        None,
    ]


def test_two_routes_through_one_pool_bring_no_more_than_both_swaps_one_after_the_other() -> None:
    first = one_swap(CHEAP, WETH, ETHER)
    later = Swap(CHEAP.hop(WETH), WETH, USDC, 2 * ETHER, CHEAP.quote(WETH, 2 * ETHER))
    split = replace(first, legs=(*first.legs, later))
    assert brought(split, samples.market(CHEAP), [0]) == [pytest.approx(CHEAP.quote(WETH, 3 * ETHER), rel=1e-5)]
    assert movers(split) == first.swaps, "nor is the pool moved twice before them"


def test_wrapping_is_moved_by_nobody_and_the_other_pools_of_its_plan_are() -> None:
    coin = replace(WETH, address=ZERO_ADDRESS, symbol="ETH")
    native = samples.v2(6, coin, USDC, (1_000 * ETHER, 2_010_000 * 10**6), fee_ppm=500)
    wrapper = WrappedNativePool(Address(WETH.address), (coin, WETH))
    unwrap = Swap(wrapper.hop(WETH), WETH, coin, ETHER, ETHER)
    sell = Swap(native.hop(coin), coin, USDC, ETHER, native.quote(coin, ETHER))
    plan = replace(at.sells_on_chain(), legs=(unwrap, sell))
    assert brought(plan, samples.market(native, wrapper), LEVELS_BPS) == brought(
        replace(plan, legs=(sell,)), samples.market(native), LEVELS_BPS
    )
    assert movers(plan) == (sell,) and plan.pools == {native.address}


def bearing_desk(ledger: Ledger, plan: Plan, market: Market, above_wei: int, most_loss_wei: int) -> TransactionDesk:
    bearing = Bearing(market, above_wei, most_loss_wei)
    return desk(ledger, ScriptedChain(), ScriptedSimulator(plan), None, bearing=bearing)


async def judged(ledger: Ledger, plan: Plan, market: Market, above_wei: int, most_loss_wei: int) -> Verdict | Refusal:
    on = bearing_desk(ledger, plan, market, above_wei, most_loss_wei)
    ledger.record_plan(plan)
    outcome = await on.verdict(on.prepare(plan, HEAD), HEAD)
    on.keep_borne(HEAD)
    return outcome


def kept(ledger: Ledger) -> tuple[IfMoved, ...]:
    """What the ledger says of the newest verdict on the newest plan."""
    told = history(ledger, decisions(ledger, limit=1)[0].id)
    assert told is not None
    return told.verdicts[-1].moved


async def test_of_a_large_plan_the_ledger_keeps_what_it_comes_to_and_of_a_small_one_it_does_not(
    ledger: Ledger,
) -> None:
    plan, market = gaining()
    await judged(ledger, plan, market, ETHER + 1, ETHER)
    assert kept(ledger) == ()
    await judged(ledger, plan, market, ETHER, ETHER)
    assert [each.bps for each in kept(ledger)] == list(LEVELS_BPS)
    ten, fifty, hundred = kept(ledger)
    assert ten.settles and 0 < ten.left_wei < plan.expected_profit_wei
    assert not fifty.settles and not hundred.settles and fifty.left_wei == hundred.left_wei == -LOST


async def test_what_a_plan_bears_is_asked_before_it_leaves_where_it_could_keep_it_from_leaving(ledger: Ledger) -> None:
    plan, market = gaining()
    at_once = await judged(ledger, plan, market, ETHER, LOST - 1)
    assert isinstance(at_once, Verdict) and at_once.moved == kept(ledger) != ()
    other = replace(plan, note="another")
    later = await judged(ledger, other, market, ETHER, LOST)
    assert isinstance(later, Verdict) and later.moved == () and kept(ledger) == at_once.moved


@pytest.mark.parametrize("sold_ppm", [None, 0, 900_000, 999_000, 1_000_000])
def test_no_plan_that_is_asked_later_could_have_been_refused(ledger: Ledger, sold_ppm: int | None) -> None:
    """`sold_ppm` of its quote are the least a two-sided plan takes; a cycle is one without."""
    plan, market = gaining() if sold_ppm is None else (at.sells_on_chain(), at.market())
    judges = [bearing_desk(ledger, plan, market, 0, most)._judge for most in (0, LOST - 1, LOST, LOST + 1, 2 * ETHER)]
    prepared = bearing_desk(ledger, plan, market, 0, 0).prepare(plan, HEAD)
    if sold_ppm is not None:
        prepared = replace(prepared, terms=Terms(0, plan.amount_out * sold_ppm // 10**6))
    shown = Verdict(Outcome.OK, "", 10, HEAD.hash, GAS_USED, FEE_POLICY.gas_price_wei(HEAD))
    asked = [judge.could_lose_too_much(prepared, shown) for judge in judges]
    assert asked == sorted(asked, reverse=True) and asked[0] and not asked[-1]
    for judge, at_once in zip(judges, asked, strict=True):
        for arrives in range(0, plan.amount_out + 1, plan.amount_out // 50):
            left = judge._if_moved(prepared, shown, 10, arrives)
            assert at_once or judge._too_sensitive([left]) is None


async def test_what_a_plan_of_an_older_head_bore_is_not_asked_of_the_market_any_more(ledger: Ledger) -> None:
    plan, market = gaining()
    on = bearing_desk(ledger, plan, market, ETHER, ETHER)
    ledger.record_plan(plan)
    await on.verdict(on.prepare(plan, HEAD), HEAD)
    on.keep_borne(at.head(11))
    on.keep_borne(HEAD)
    assert kept(ledger) == ()


@pytest.mark.parametrize(("most_loss_wei", "refused"), [(LOST, False), (LOST - 1, True)])
async def test_what_ten_bps_would_turn_into_too_much_of_a_loss_is_refused_by_name(
    ledger: Ledger, most_loss_wei: int, refused: bool
) -> None:
    outcome = await judged(ledger, at.cycle(), at.market(), ETHER, most_loss_wei)
    assert isinstance(outcome, Refusal) is refused
    if isinstance(outcome, Refusal):
        assert outcome.reason is Reason.SIM_SENSITIVE
        assert "where its pools move 10 bps first" in outcome.detail


async def test_what_takes_back_an_older_plan_is_not_asked_what_it_bears(ledger: Ledger) -> None:
    outcome = await judged(ledger, replace(at.cycle(), unwinds="0" * 32), at.market(), 0, 0)
    assert isinstance(outcome, Verdict) and outcome.moved == kept(ledger) == ()


async def test_a_two_sided_plan_settles_down_to_its_least_output_and_reverts_below(ledger: Ledger) -> None:
    plan = at.sells_on_chain()
    assert isinstance(await judged(ledger, plan, at.market(), ETHER, ETHER), Verdict)
    ten, _, hundred = kept(ledger)
    assert ten.settles and not hundred.settles and hundred.left_wei == -LOST
    assert plan.min_profit_wei <= ten.left_wei < plan.expected_profit_wei


async def test_the_ledger_keeps_what_a_plan_bears_and_why_tells_it(ledger: Ledger) -> None:
    plan, market = gaining()
    await judged(ledger, plan, market, ETHER, ETHER)
    told = history(ledger, decisions(ledger, limit=1)[0].id)
    assert told is not None
    lines = [line.strip() for line in screen(told, None) if "pools move" in line]
    assert lines[0].startswith("if its pools move 10 bps against it: +0.00")
    assert lines[1] == f"if its pools move 50 bps against it: reverts, {-LOST / 10**18:+.6f} ETH"


async def test_what_is_too_sensitive_is_tried_at_half_its_size_by_exact_quotes(ledger: Ledger) -> None:
    plan, market = gaining(2 * ETHER)
    wanted, _ = gaining(ETHER)
    on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), None, bearing=Bearing(market, ETHER, 0))
    smaller = on.smaller(plan)
    assert smaller is not None
    assert (smaller.swaps, smaller.expected_profit_wei) == (wanted.swaps, wanted.expected_profit_wei)
    assert smaller.note == f"half of plan {plan.id}: {plan.note}"


def test_half_of_several_routes_is_each_on_what_those_before_it_leave() -> None:
    first = one_swap(CHEAP, WETH, 2 * ETHER)
    later = Swap(CHEAP.hop(WETH), WETH, USDC, 4 * ETHER, 1)
    split = replace(first, legs=(*first.legs, later), expected_profit_wei=ETHER)
    smaller = halved(split, samples.market(CHEAP), at.MARKS)
    assert smaller is not None and smaller.amount_in == 3 * ETHER
    assert smaller.amount_out == pytest.approx(CHEAP.quote(WETH, 3 * ETHER), rel=1e-5)


def test_half_of_a_two_sided_plan_orders_half_in_whole_lots() -> None:
    plan = at.sells_on_chain(weth=3 * ETHER)
    smaller = halved(plan, at.market(), at.MARKS)
    assert smaller is not None
    (order,), (whole,) = smaller.orders, plan.orders
    assert order.amount == whole.amount // 2 and order.amount % at.BOOK.lot == 0
    assert order.expected_quote == whole.expected_quote // 2
    assert plan.expected_profit_wei // 2 < smaller.expected_profit_wei < plan.expected_profit_wei


def test_an_order_whose_half_is_below_the_exchanges_least_is_not_halved() -> None:
    least = at.BOOK.least_order("buy")
    small, enough = (at.sells_on_chain(weth=lots * 10**10) for lots in (2 * least - 2, 2 * least))
    assert halved(replace(small, expected_profit_wei=10**15), at.market(), at.MARKS) is None
    smaller = halved(replace(enough, expected_profit_wei=10**15), at.market(), at.MARKS)
    assert smaller is not None and smaller.orders[0].amount == least


def test_what_gains_nothing_at_half_its_size_or_is_not_known_is_not_tried() -> None:
    plan, _ = gaining()
    assert halved(plan, samples.market(CHEAP), at.MARKS) is None
    assert halved(at.cycle(), at.market(), at.MARKS) is None, "through one pool and back"


class Always:
    """A strategy that plans one thing."""

    name = "dex_arbitrage"
    needs_inventory = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def plans(self, view: object) -> Iterator[Plan]:
        yield self.plan


class Lines(list[str]):
    def line(self, text: str) -> None:
        self.append(text)


@pytest.mark.parametrize(("weth", "outcomes"), [(4, ["sim_sensitive", "simulated"]), (8, ["sim_sensitive"] * 2)])
async def test_a_plan_that_is_too_sensitive_is_decided_on_once_more_at_half_its_size(
    ledger: Ledger, weth: int, outcomes: list[str]
) -> None:
    whole, market = gaining(weth * ETHER)
    half, _ = gaining(weth * ETHER // 2)
    on = desk(ledger, ScriptedChain(), ScriptedSimulator(half), None, bearing=Bearing(market, ETHER, LOST - 1))
    road = SimpleNamespace(
        market=market,
        strategies=[Always(whole)],
        guard=SimpleNamespace(check=lambda plan, worst: None),
        transactions=on,
        hedges=SimpleNamespace(refusal=lambda plan: None),
        ledger=ledger,
        fee_policy=FEE_POLICY,
        filters={},
        network=at.NETWORK,
        trading=False,
        witnesses=None,
        gains=(samples.ETH,),
        lenders=None,
        optimum=None,
        turns=Turns(),
    )
    told: list[tuple[str, str]] = []
    said = Lines()
    denials = SimpleNamespace(tried=lambda plan, outcome: None, sent=lambda plan: None)
    upkeep = SimpleNamespace(before=lambda changed: None, denials=denials)
    deciding = Deciding(road, upkeep, lambda head, plan: None, said, Counter())  # type: ignore[arg-type]
    deciding.on_told = lambda plan, word: told.append((plan.note, word))

    async def home() -> bool:
        return True

    await deciding.decide(HEAD, set(), home)
    assert told == list(zip((whole.note, f"half of plan {whole.id}: {whole.note}"), outcomes, strict=True))
    first = next(it for it in decisions(ledger, limit=2) if it.plan_id == whole.id)
    assert first.detail is not None and "tried at half its size as plan" in first.detail
