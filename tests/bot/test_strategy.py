"""The author's side: parameters by annotation, a view that offers candidates, plans that say what was found."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import repeat
from typing import Any, ClassVar

import pytest

from bot.market import Market
from bot.market.combined import Walk
from bot.market.dual.problem import Way
from bot.plan import Order, Plan, Side, Swap
from bot.strategy import InvalidParameter, MarketView, Strategy, StrategyFailed, wei
from chains.assets import ETH, Amount, Asset, Token
from chains.blocks import Head
from chains.executor import Hop, HopKind
from strategies.cex_dex_arbitrage import CexDexArbitrage
from strategies.dex_arbitrage import DexArbitrage
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market.samples import ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WETH, book, market, v2

HEAD = Head(17, "0x11", "0x10", 1_700_000_017, 10 * GWEI, 0, 30_000_000)
CHEAP = v2(1, USDC, WETH, (2_000_000 * 10**6, 1_000 * ETHER))
DEAR = v2(2, USDC, WETH, (2_100_000 * 10**6, 1_000 * ETHER))
HOP = Hop(HopKind.CONSTANT_PRODUCT, CHEAP.address, zero_for_one=True, fee_ppm=3000)
RICH = book([("2100", "50")], [("2101", "50")])
HELD = {WETH: 50 * ETHER, USDC: 100_000 * 10**6, ETH_AT_EXCHANGE: 50 * 10**8, USD_AT_EXCHANGE: 100_000 * 10**8}


class Patient(Strategy):
    """A strategy with parameters of its own and one of its base's."""

    needs_inventory: ClassVar[bool] = True

    patience: int = 3
    least: Amount = Amount.parse("0.1 ETH")
    _hidden: int = 0

    def on_market(self, market: MarketView) -> Iterator[Plan]:
        return iter(())


def view(on: Market, *, inventory: dict[Token, int] | None = None, gas_price_wei: int = 10 * GWEI) -> MarketView:
    return MarketView(
        market=on,
        head=HEAD,
        network="twin",
        strategy="test",
        gas_price_wei=gas_price_wei,
        changed=on.changed,
        inventory=inventory or {},
    )


def planned(**otherwise: Any) -> Plan:
    """A plan that is sound, but for what is `otherwise`."""
    (found,) = view(market(CHEAP, DEAR)).cycles(max_hops=2)
    return replace(found.plan(min_profit_wei=1), **{"strategy": "mine", **otherwise})


def with_leg(place: int, plan: Plan, **otherwise: Any) -> Plan:
    """`plan`, with one of its legs changed."""
    legs = list(plan.legs)
    legs[place] = replace(legs[place], **otherwise)
    return replace(plan, legs=tuple(legs))


def hedged() -> Plan:
    """A sound plan with an order behind it."""
    (found, *_) = view(market(CHEAP, RICH), inventory=HELD).cycles(books=1)
    return replace(found.plan(min_profit_wei=0), strategy="mine")


def given_up() -> list[Plan]:
    """As does the result of work beside the run that was cancelled."""
    raise CancelledError


def told_at_length() -> list[Plan]:
    raise ValueError("x" * 10_000)


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        (lambda: (plan.gone for plan in (None,)), "AttributeError: 'NoneType' object has no attribute 'gone' ("),
        (lambda: None, "TypeError: 'NoneType' object is not iterable ("),
        (lambda: sys.exit(0), "SystemExit: 0 ("),
        (given_up, "CancelledError: ("),
        (lambda: [None], "TypeError: None is no Plan ("),
        (lambda: [planned(strategy="other")], "ValueError: a plan of 'other', which has a budget of its"),
        (lambda: [planned(min_profit_wei=0.0005)], "TypeError: min_profit_wei is 0.0005; write a whole number, "),
        (lambda: [planned(min_profit_wei=None)], "TypeError: min_profit_wei is None; write a whole number, "),
        (lambda: [planned(legs=())], "ValueError: a plan without a swap; one trades on the chain, and at an exchange "),
        (lambda: [planned(legs=[*planned().legs])], "TypeError: a plan cannot hold list ("),
        (lambda: [planned(unwinds="ab")], "ValueError: a plan that unwinds 'ab'; what is owed is taken back "),
        (
            lambda: (getattr(plan, "\x1b[2J") for plan in (None,)),
            "AttributeError: 'NoneType' object has no attribute '\N{REPLACEMENT CHARACTER}[2J",
        ),
        (lambda: [planned(min_profit_wei=2**97)], f"ValueError: min_profit_wei is {2**97}; write one of -"),
        (lambda: [planned(gas_estimate=-5)], "ValueError: gas_estimate is -5; write one of 0 to "),
        (lambda: [planned(block_number=2**49)], f"ValueError: block_number is {2**49}; write one of 0 to "),
        (lambda: [planned(note=7)], "ValueError: the plan's strategy, network, block hash, note and unwinds must be"),
        (lambda: [planned(legs=(*planned().legs, WETH))], "ValueError: Token(place='twin', "),
        (lambda: [with_leg(0, planned(), amount_in=-5)], "ValueError: amounts of -5 and "),
        (lambda: [with_leg(0, planned(), amount_in=True)], "ValueError: amounts of True and "),
        (
            lambda: [with_leg(0, planned(), hop=replace(planned().swaps[0].hop, kind=HopKind.CURVE))],
            "InvalidCallData: ",
        ),
        (lambda: [planned(atomic=False)], "ValueError: an exchange ends in another token than it begins with"),
        (lambda: [replace(hedged(), legs=(*hedged().legs, *hedged().orders))], "ValueError: 2 orders; one covers "),
        (lambda: [with_leg(-1, hedged(), amount=0)], "ValueError: amounts of 0 and "),
        (
            lambda: [with_leg(-1, hedged(), symbol="ETH/MARS")],
            "ValueError: an order of ETH@binance for USDT@binance, which no book ETH/MARS of binance trades",
        ),
        (lambda: [with_leg(-1, hedged(), base=USD_AT_EXCHANGE)], "ValueError: an order of USDT@binance for USDT@binan"),
        (lambda: [with_leg(-1, hedged(), limit_price=Decimal("NaN"))], "ValueError: an order at NaN; write a Decimal "),
        (lambda: [with_leg(-1, hedged(), side=Side.BUY)], "ValueError: an order to buy ETH@binance, where USDC@tw"),
        (lambda: [with_leg(-1, hedged(), side=None)], "ValueError: an order to None ETH@binance, where USDC@twin"),
        (told_at_length, f"ValueError: {'x' * 488} ("),
        (lambda: repeat(planned()), "ValueError: more than 1,000 plans on one block; yield the best, then return"),
    ],
)
def test_what_goes_wrong_in_a_strategy_is_told_with_its_name_the_block_and_the_file(
    offered: Callable[[], Iterable[Plan]], told: str
) -> None:
    class Careless(Patient):
        def on_market(self, market: MarketView) -> Iterable[Plan]:  # type: ignore[override]
            return offered()

    with pytest.raises(StrategyFailed) as failed:
        list(Careless("mine").plans(view(market(CHEAP, RICH))))
    said = str(failed.value)
    assert said.startswith(f"strategy mine failed on block 17: {told}") and f"({__file__}" in said


def test_a_plan_with_an_order_of_what_it_bought_is_sound() -> None:
    class Hedging(Patient):
        def on_market(self, market: MarketView) -> Iterator[Plan]:
            yield hedged()

    assert list(Hedging("mine").plans(view(market(CHEAP, RICH)))) == [hedged()]


def test_a_parameter_that_does_not_fit_stays_a_matter_of_configuration() -> None:
    dear = DexArbitrage("mine", {"min_profit": Amount.parse("5 USDC")})
    with pytest.raises(InvalidParameter, match="must be in ETH"):
        list(dear.plans(view(market(CHEAP))))


def test_an_order_is_routed_over_the_pools_a_strategy_may_use() -> None:
    both = view(market(CHEAP, DEAR)).route(WETH, USDC, 200 * ETHER)
    assert {step.venue for path in both.paths for step in path.steps} == {CHEAP.venue, DEAR.venue}
    only = replace(view(market(CHEAP, DEAR)), allowed=lambda venue, token: venue == CHEAP.venue)
    assert only.route(WETH, USDC, 200 * ETHER).amount_out == CHEAP.quote(WETH, 200 * ETHER) < both.amount_out
    assert market(CHEAP, DEAR).route(WETH, USDC, 200 * ETHER).amount_out == both.amount_out


def test_parameters_are_the_public_annotated_attributes() -> None:
    assert Patient.parameters() == {"patience": int, "least": Amount}


def test_parameters_override_defaults_of_one_strategy_only() -> None:
    assert Patient("one", {"patience": 9}).patience == 9
    assert Patient("two").patience == 3


def test_a_parameter_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidParameter, match=r"no parameter 'pateince'; it has least, patience"):
        Patient("one", {"pateince": 9})


def test_an_amount_in_ether_is_wei_and_any_other_is_refused() -> None:
    assert wei(Amount.parse("0.0005 ETH")) == wei(Amount.parse("0.0005 eth")) == 5 * 10**14
    with pytest.raises(InvalidParameter, match="must be in ETH"):
        wei(Amount.parse("1 USDC"))


def test_a_candidate_becomes_a_plan_of_exactly_what_was_found() -> None:
    (found,) = view(market(CHEAP, DEAR)).cycles()
    plan = found.plan(min_profit_wei=7)
    first, second = plan.legs
    assert isinstance(first, Swap) and isinstance(second, Swap) and plan.atomic
    assert (first.token_in, second.token_out) == (WETH, WETH)
    assert second.amount_out - first.amount_in == plan.expected_profit_wei == found.opportunity.gain
    assert (plan.block_number, plan.block_hash, plan.deadline_block) == (17, "0x11", 18)
    assert (plan.strategy, plan.network, plan.min_profit_wei) == ("test", "twin", 7)
    assert found.net_profit_wei == plan.expected_profit_wei - plan.gas_estimate * 10 * GWEI


def test_a_two_sided_candidate_ends_in_an_order() -> None:
    (found, *_) = view(market(CHEAP, RICH), inventory=HELD).cycles(books=1)
    plan = found.plan(min_profit_wei=0)
    assert isinstance(plan.legs[-1], Order) and not plan.atomic


def test_nothing_is_bought_with_what_is_not_held() -> None:
    assert list(view(market(CHEAP, RICH)).cycles(books=1)) == []
    poor = HELD | {USDC: 1_000 * 10**6}
    (found, *_) = view(market(CHEAP, RICH), inventory=poor).cycles(books=1)
    assert found.opportunity.swaps()[0].amount_in <= 1_000 * 10**6


def test_what_was_shown_is_remembered_planned_or_not() -> None:
    shown = view(market(CHEAP, DEAR))
    assert shown.seen == []
    assert shown.seen == [each.opportunity for each in shown.cycles()] and len(shown.seen) == 1


@pytest.mark.parametrize("units", [0, 2**128])
def test_what_has_no_room_in_a_plan_is_not_offered(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    on = market(CHEAP, DEAR)
    (found,) = (found.opportunity for found in view(on).cycles())
    odd = replace(found, steps=(*found.steps[:-1], replace(found.steps[-1], amount_in=units)))
    monkeypatch.setattr(on, "cycles", lambda **_: [odd, found])
    assert [each.opportunity for each in view(on).cycles()] == [found]


@pytest.mark.parametrize("amount", [1.5, Decimal(1), "1"])
def test_an_order_of_no_whole_number_is_told_how_amounts_are_written(amount: Any) -> None:
    with pytest.raises(TypeError, match=r"write a whole number of base units, as `token\.units\(\)` gives"):
        view(market(CHEAP, DEAR)).route(WETH, USDC, amount)


def test_what_a_strategy_prints_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    class Talking(Patient):
        def on_market(self, market: MarketView) -> Iterator[Plan]:
            print("looking")
            yield planned()
            print("done")

    for _ in Talking("mine").plans(view(market(CHEAP, DEAR))):
        print("planned")
    assert tuple(capsys.readouterr()) == ("planned\n", "looking\ndone\n")


@pytest.mark.parametrize("given", [WETH, "WETH", "ETH"])
def test_what_is_no_asset_is_refused_where_it_would_find_nothing(given: Any) -> None:
    seen = view(market(CHEAP, DEAR))
    asked: list[Callable[[], object]] = [
        lambda: seen.price(given),
        lambda: seen.price(ETH, in_=given),
        lambda: list(seen.cycles(start=given)),
    ]
    for ask in asked:
        with pytest.raises(TypeError, match=r"is no asset; write `market\.market\.asset\(token\)`"):
            ask()
    assert seen.price(seen.market.asset(WETH)) == 1.0


def test_a_view_prices_assets_for_screening() -> None:
    assert view(market(CHEAP)).price(Asset("USD")) == pytest.approx(1 / 2000, rel=0.01)


class TestTheOptimum:
    """What the whole market's optimum proposes takes the place of what it shares venues with, where it nets more."""

    THIRD = v2(3, USDC, WETH, (4_220_000 * 10**6, 2_000 * ETHER))

    def _walks(self) -> tuple[Walk, ...]:
        """From either dear pool to the cheap one."""
        ways = ((Way(pool.venue, WETH, USDC), Way(CHEAP.venue, USDC, WETH)) for pool in (DEAR, self.THIRD))
        return tuple(Walk(each, 10 * ETHER) for each in ways)

    def _view(self, *, gas_price_wei: int = 10 * GWEI) -> MarketView:
        seen = view(market(CHEAP, DEAR, self.THIRD), gas_price_wei=gas_price_wei)
        return replace(seen, changed=frozenset(), optimum=self._walks())

    def test_it_is_taken_where_it_nets_more(self) -> None:
        assert list(replace(self._view(), optimum=()).cycles(max_hops=2, max_routes=4)) == []
        (whole,) = self._view().cycles(max_hops=2, max_routes=4)
        assert whole.opportunity.venues == {CHEAP.venue, DEAR.venue, self.THIRD.venue}
        assert len(whole.opportunity.routes) == 2 and whole.net_profit_wei > 0

    def test_it_is_left_where_what_was_found_nets_more(self) -> None:
        all_changed = replace(self._view(), changed=frozenset({CHEAP.venue, DEAR.venue, self.THIRD.venue}))
        found = [str(each.opportunity) for each in replace(all_changed, optimum=()).cycles(max_hops=2, max_routes=4)]
        poorer = replace(all_changed, optimum=self._walks()[:1])
        assert [str(each.opportunity) for each in poorer.cycles(max_hops=2, max_routes=4)] == found

    def test_it_is_made_exact_on_the_market_as_it_is(self) -> None:
        (whole,) = self._view().cycles(max_hops=2, max_routes=4)
        state = {pool.venue: pool for pool in (CHEAP, DEAR, self.THIRD)}
        for step in whole.opportunity.steps:
            assert step.amount_out == state[step.venue].paid(step.token_in, step.amount_in, step.token_out)
            state[step.venue] = state[step.venue].swapped(step.token_in, step.amount_in, step.token_out)

    def test_a_venue_the_strategy_may_not_use_or_that_is_gone_takes_no_part(self) -> None:
        kept = replace(self._view(), allowed=lambda venue, token: venue != self.THIRD.venue)
        assert all(self.THIRD.venue not in each.opportunity.venues for each in kept.cycles(max_routes=4))
        gone = self._view()
        gone.market.remove(self.THIRD.venue, "it went")
        assert all(self.THIRD.venue not in each.opportunity.venues for each in gone.cycles(max_routes=4))

    def test_of_it_no_more_is_taken_than_the_signer_takes(self) -> None:
        (whole,) = self._view().cycles(max_hops=2, max_routes=4)
        (part,) = replace(self._view(), most_gas=whole.opportunity.gas_estimate - 1).cycles(max_hops=2, max_routes=4)
        assert len(part.opportunity.routes) == 1 and part.opportunity.gas_estimate < whole.opportunity.gas_estimate

    def test_it_is_not_looked_at_by_who_wants_one_route(self) -> None:
        assert all(len(each.opportunity.routes) == 1 for each in self._view().cycles(max_hops=2, max_routes=1))


class TestDexArbitrage:
    @staticmethod
    def _plans(**parameters: object) -> list[Plan]:
        pools = [CHEAP, DEAR, v2(3, USDC, WETH, (2_050_000 * 10**6, 1_000 * ETHER), fee_ppm=500)]
        pools.append(v2(4, USDC, WETH, (1_900_000 * 10**6, 1_000 * ETHER)))
        return list(DexArbitrage("dex", parameters).on_market(view(market(*pools))))

    def test_cycles_that_share_pools_are_one_plan_where_that_nets_more(self) -> None:
        apart, (together,) = self._plans(max_routes=1), self._plans()
        assert len(together.routes) > 1 and together.pools <= {pool for plan in apart for pool in plan.pools}
        gas = [plan.gas_estimate * 10 * GWEI for plan in (together, *apart)]
        assert together.expected_profit_wei - gas[0] > sum(plan.expected_profit_wei for plan in apart) - sum(gas[1:])
        assert sum(route[-1].amount_out - route[0].amount_in for route in together.routes) == (
            together.amount_out - together.amount_in
        )

    def test_it_plans_disjoint_cycles_best_first(self) -> None:
        plans = self._plans(max_routes=1)
        assert len(plans) == 2 and not plans[0].pools & plans[1].pools
        assert plans[0].expected_profit_wei > plans[1].expected_profit_wei

    def test_it_plans_no_more_than_it_may(self) -> None:
        assert len(self._plans(max_plans_per_block=1)) == 1

    def test_it_leaves_what_does_not_leave_enough_after_gas(self) -> None:
        best = self._plans()[0]
        net = best.expected_profit_wei - best.gas_estimate * 10 * GWEI
        at_least = Amount.parse(f"{net / 10**18:.18f} ETH")
        assert len(self._plans(min_profit=Amount.parse("1000 ETH"))) == 0
        assert all(plan.min_profit_wei == wei(at_least) for plan in self._plans(min_profit=at_least))


class TestCexDexArbitrage:
    def test_it_plans_one_leg_on_each_side(self) -> None:
        rich = book([("2100", "50")], [("2101", "50")])
        (plan,) = CexDexArbitrage("cex").on_market(view(market(CHEAP, rich), inventory=HELD))
        (order,) = plan.orders
        assert order.side == "sell" and plan.min_profit_wei == 5 * 10**14

    def test_it_needs_inventory_and_a_cycle_does_not(self) -> None:
        assert CexDexArbitrage.needs_inventory and not DexArbitrage.needs_inventory
