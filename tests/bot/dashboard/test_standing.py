"""What stands on the page of a run of any kind, and that it fits the window."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from playwright.async_api import BrowserContext, ViewportSize, expect

from bot.dashboard.source import (
    BudgetShown,
    Counters,
    Decision,
    DecisionDetail,
    EventShown,
    FillShown,
    Header,
    Limit,
    OperatorKey,
    Picture,
    ProfitPoint,
    State,
    Venue,
)
from bot.dashboard.view import View
from bot.signer.switch import TOTAL, Switch, Trading
from tests.bot.dashboard.pages import shown
from tests.bot.dashboard.samples import ETHER, STRATEGIES, SampleRun
from tests.bot.dashboard.serving import dashboard_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE: ViewportSize = {"width": 390, "height": 844}

BEHIND_KEY = """() => {
  const [canvas, key] = [document.querySelector("#graph canvas"), document.querySelector("#graph-key")];
  const above = key.getBoundingClientRect().top - canvas.getBoundingClientRect().top;
  const top = Math.floor(above * canvas.height / canvas.clientHeight);
  const { data } = canvas.getContext("2d").getImageData(0, top, canvas.width, canvas.height - top);
  return data.filter((value, at) => at % 4 === 3 && value > 40).length;
}"""
"""How many pixels of the price graph are drawn on from its key's first line down."""


class Nothing(SampleRun):
    """A run before its first head."""

    async def header(self) -> Header:
        return Header("dry", "ethereum", 1, STRATEGIES, 1_700_000_000_000)

    async def counters(self) -> Counters:
        return Counters()

    async def profit_series(self, after: int) -> Mapping[str, Sequence[ProfitPoint]]:
        return {}

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        return ()

    async def budgets(self) -> Sequence[BudgetShown]:
        return ()

    async def venues(self) -> Sequence[Venue]:
        return ()

    async def events(self) -> Sequence[EventShown]:
        return ()

    async def graph(self) -> Picture:
        return Picture()


async def test_a_run_that_has_nothing_to_show_says_what_will_come(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Nothing())) as watched:
        page = watched.page
        await expect(page.locator("#head")).to_have_text("waiting")
        await expect(page.locator("#chart")).to_contain_text("Nothing has settled yet")
        await expect(page.locator("#no-rows")).to_contain_text("No decisions yet")
        await expect(page.locator("#budgets")).to_contain_text("No strategy has a budget yet")
        await expect(page.locator("#no-venues")).to_be_visible()
        await expect(page.locator("#no-events")).to_be_visible()
        await expect(page.locator("#graph")).to_contain_text("The market is being loaded")
    assert watched.problems == []


async def test_a_halted_strategy_and_a_halted_key_are_said_at_the_top(browser: BrowserContext) -> None:
    run = SampleRun(blocks=3)
    run.halted = {"dex_arbitrage": "drawdown of 0.51 ETH is over 0.5"}
    run.operators = (OperatorKey("0xAbCd01", 2), OperatorKey("0xEf0102", 1, "another program uses this key"))
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        await expect(watched.page.get_by_role("alert")).to_contain_text("dex arbitrage trades no more: drawdown")
        await expect(watched.page.get_by_role("alert")).to_contain_text("sent with the key 0xEf0102: another program")
        await expect(watched.page.locator("#figures")).to_contain_text("in flight 0xAbCd… 2, 0xEf01… 1")
        await expect(watched.page.locator(".budget.halted")).to_have_count(1)
        run.operators = ()
        run.halted = dict.fromkeys(STRATEGIES, "halted by a person")
        dashboard.tell()
        await expect(watched.page.locator(".notice")).to_have_text(["Nothing trades any more: halted by a person"])


async def test_what_is_open_is_not_said_to_be_over_while_it_is_taken_back(browser: BrowserContext) -> None:
    run = SampleRun(blocks=3)
    because = str(Switch(Trading.REDUCING, "the dashboard", "going home", then_halt=True))
    taken_back = f"is taken back, and nothing new is begun: {because}"
    run.halted = {"dex_arbitrage": because}
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        notice = watched.page.locator(".notice")
        await expect(notice).to_have_text([f"What is open of dex arbitrage {taken_back}"])
        await expect(watched.page.locator(".budget.halted .unit")).to_have_text("reducing")
        run.halted = dict.fromkeys(STRATEGIES, because)
        dashboard.tell()
        await expect(notice).to_have_text([f"What is open {taken_back}"])


async def test_a_decision_that_is_open_shows_what_becomes_of_it(browser: BrowserContext) -> None:
    run = SampleRun(blocks=1)
    while not any(decision.state is State.PENDING for decision in await run.decisions(1)):
        run.advance()
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        page = watched.page
        await page.locator("#rows .open").first.click()
        await expect(page.locator("#drawer .lead .chip")).to_have_text("pending")
        run.advance()
        dashboard.tell()
        await expect(page.locator("#drawer .lead .chip")).to_have_text("settled")
        await expect(page.get_by_role("button", name="Close")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#drawer")).to_be_hidden()
    assert watched.problems == []


class Slow(SampleRun):
    """Its first trade waits for the chain until it `landed`."""

    landed = False

    def _settle(self) -> None:
        waits = next((detail for detail in self._details if detail.intent is not None), None)
        super()._settle()
        if waits is not None and not self.landed:
            self._details[waits.decision.id - 1] = waits


async def test_a_trade_that_many_decisions_came_after_shows_what_became_of_it(browser: BrowserContext) -> None:
    run = Slow(blocks=6)
    first = min(row.id for row in await run.open_decisions(()))
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        chip = watched.page.locator(f"#rows tr[data-id='{first}'] .chip")
        await expect(chip).to_have_text("pending")
        while len(await run.decisions(first + 150)) < first + 120:
            run.advance()
        dashboard.tell()
        await expect(watched.page.locator("#head")).to_have_text(f"{run.block:,}".replace(",", "\u202f"))
        run.landed = True
        run.advance()
        dashboard.tell()
        await expect(chip).to_have_text("settled")
    assert watched.problems == []


class Long(SampleRun):
    """A ledger of three days, large trades, and more venues and budgets than a page shows."""

    async def profit_series(self, after: int) -> Mapping[str, Sequence[ProfitPoint]]:
        begun_ms = (await self.header()).started_ms - 3 * 86_400_000
        points = [ProfitPoint(number, begun_ms + 25_000 * number, number * ETHER) for number in range(10_000)]
        return {STRATEGIES[0]: [point for point in points if point.id > after]}

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        newest, *_ = await super().decisions(1)
        large = replace(newest, expected_wei=1_234_567 * ETHER, realised_wei=-1_234_567 * ETHER)
        return [replace(large, at_ms=newest.at_ms - 3 * 86_400_000)]

    async def venues(self) -> Sequence[Venue]:
        one, *_ = await super().venues()
        return [replace(one, id=str(number)) for number in range(300)]

    async def budgets(self) -> Sequence[BudgetShown]:
        one, *_ = await super().budgets()
        return [replace(one, id=str(number)) for number in range(50)]


async def test_of_more_budgets_than_a_page_shows_the_halted_and_the_most_used_are_shown() -> None:
    class Pressed(Long):
        async def budgets(self) -> Sequence[BudgetShown]:
            one, *_ = await super().budgets()
            calm = [replace(one, id=str(number), limits=(Limit("capital", 5, 100),)) for number in range(48)]
            used = replace(one, id="used", limits=(Limit("capital", 5, 100), Limit("gas_day", 99, 100)))
            return [replace(calm[0], id=TOTAL), *calm, used, replace(calm[0], id="halted", halted_because="asked to")]

    view = View(Pressed(blocks=6))
    await view.refresh()
    shown_first = [row["id"] for row in json.loads(view.whole())["tables"]["budgets"]]
    assert shown_first == [TOTAL, "halted", "used", *map(str, range(37))]


async def test_a_long_and_large_run_says_since_when_and_of_how_many(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Long(blocks=6))) as watched:
        page = watched.page
        await expect(page.locator("#total")).to_have_text("+9\u202f999.000000 ETH")
        await expect(page.locator("#total-since")).to_contain_text("Net profit since ")
        await expect(page.locator("#venues-count")).to_have_text("120 of 300, all well")
        await expect(page.locator("#budgets-count")).to_contain_text("40 of 50")
        await expect(page.locator("#rows .open").first).to_have_text(re.compile(r"\d+ \w+ [\d:]+"))
        beyond = "(all) => Math.max(...all.map((cell) => cell.scrollWidth - cell.clientWidth))"
        assert await page.locator("#rows td.number").evaluate_all(beyond) <= 0
    assert watched.problems == []


class Bounded(SampleRun):
    """A run whose strategies are bounded together as well, and a fill of which a person told in vain."""

    async def budgets(self) -> Sequence[BudgetShown]:
        limits = Limit("capital", 3 * ETHER, 4 * ETHER), Limit("day_loss", 0, 2 * ETHER)
        together = BudgetShown("", limits, in_flight=2, halted_because=self.halted.get(""))
        return [together, *await super().budgets()]

    async def decision(self, id: int) -> DecisionDetail | None:
        detail = await super().decision(id)
        assert detail is not None
        filled = FillShown(
            "binance", "by hand", "USDT", 8, 2 * 10**8, "ETH", 8, 1, undone_by="what the exchange answered"
        )
        return replace(detail, fills=(filled,))


async def test_what_all_may_risk_together_is_shown_above_what_each_may(browser: BrowserContext) -> None:
    run = Bounded(blocks=6)
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        together = watched.page.get_by_role("group", name="all together")
        await expect(watched.page.locator(".budget").first).to_have_accessible_name("all together")
        await expect(together.get_by_role("meter", name="capital")).to_have_attribute("aria-valuetext", "3 / 4 ETH")
        await expect(together.get_by_role("meter")).to_have_count(2)
        await expect(together.get_by_role("heading")).to_have_text("all together2 in flight")
        run.halted = {"": "by a person"}
        dashboard.tell()
        await expect(together.get_by_role("heading")).to_have_text("all togetherhalted")
    assert watched.problems == []


async def test_what_is_too_little_for_the_digits_shown_is_not_told_as_nothing(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Bounded(blocks=6))) as watched:
        await watched.page.locator("#rows .open").first.click()
        await expect(watched.page.locator("#drawer .hops").last).to_contain_text("<0.000001 ETH")


class Small(SampleRun):
    """A run on a chain where gas costs next to nothing."""

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        return [
            replace(row, expected_wei=4 * 10**11, realised_wei=-4 * 10**11)
            for row in await super().decisions(limit, before)
        ]

    async def profit_series(self, after: int) -> Mapping[str, Sequence[ProfitPoint]]:
        return {STRATEGIES[0]: [] if after else [ProfitPoint(1, (await self.header()).started_ms, -4 * 10**11)]}


async def test_a_gain_or_loss_too_little_for_the_digits_shown_keeps_its_side(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Small(blocks=6))) as watched:
        page = watched.page
        await expect(page.locator("#total")).to_have_text(">\u22120.000001 ETH")
        await expect(page.locator("#rows tr:first-child td.number").nth(1)).to_have_text("<+0.000001")
        await expect(page.locator("#rows tr:first-child td.number").nth(2)).to_have_text(">\u22120.000001")
        await expect(page.locator("#chart .u-value").nth(1)).to_have_text("\u22120.00000040")
        beyond = "(all) => Math.max(...all.map((cell) => cell.scrollWidth - cell.clientWidth))"
        assert await page.locator("#rows td.number").evaluate_all(beyond) <= 0


class Other(SampleRun):
    """All pools of its market are of one kind."""

    kind = "uniswap_v2"

    async def graph(self) -> Picture:
        picture = await super().graph()
        return replace(picture, edges=[replace(edge, kind=self.kind) for edge in picture.edges])


async def test_the_key_of_the_graph_names_the_kinds_that_are_drawn_now(browser: BrowserContext) -> None:
    run = Other(blocks=3)
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        key = watched.page.locator("#graph-key li")
        await expect(key).to_have_text(["Uniswap V2", "Last settled"])
        run.kind = "curve_crypto"
        dashboard.tell()
        await expect(key).to_have_text(["curve crypto", "Last settled"])


RIGHT_TO_LEFT = ("\u05d0\u05d1", "\u05d2\u05d3")

PLACES = """([span, names]) => names.map((name) => {
  const range = document.createRange();
  range.setStart(span.firstChild, span.textContent.indexOf(name));
  range.setEnd(span.firstChild, span.textContent.indexOf(name) + name.length);
  return range.getBoundingClientRect().left;
})"""
"""How far to the right each of the names stands."""


class Reversing(SampleRun):
    """Tokens whose symbols are written from the right."""

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        route = f"WETH -> {' -> '.join(RIGHT_TO_LEFT)} -> WETH"
        return [replace(row, route=route) for row in await super().decisions(limit, before)]


async def test_symbols_written_from_the_right_do_not_turn_a_walk_round(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Reversing(blocks=6))) as watched:
        walk = await watched.page.locator("#rows .route span").first.element_handle()
        first, second = await watched.page.evaluate(PLACES, [walk, RIGHT_TO_LEFT])
        assert first < second


async def test_a_reader_of_the_screen_hears_whose_a_count_is_and_no_profit_at_every_block(
    browser: BrowserContext,
) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=40))) as watched:
        for strategy in STRATEGIES:
            name = re.compile(f"^{strategy.replace('_', ' ')}: \\d+$")
            await expect(watched.page.get_by_role("img", name=name)).to_be_visible()
        await expect(watched.page.locator("#total")).to_have_attribute("aria-live", "off")


async def test_a_fill_that_was_taken_back_says_by_what(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Bounded(blocks=6))) as watched:
        await watched.page.locator("#rows .open").first.click()
        await expect(watched.page.locator(".undone small")).to_contain_text("undone by what the exchange answered")


@pytest.mark.parametrize(("width", "height"), [(1366, 625), (1000, 800)], ids=["laptop", "tablet"])
async def test_no_panel_grows_beyond_the_window(browser: BrowserContext, width: int, height: int) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=90)), {"width": width, "height": height}) as watched:
        tall = "(all) => Math.max(...all.map((it) => it.getBoundingClientRect().height))"
        assert await watched.page.locator("#rows tr").count() > 50
        assert await watched.page.locator(".panel").evaluate_all(tall) <= height
        assert await watched.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_phone_shows_it_all_without_scrolling_sideways(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=40)), PHONE) as watched:
        page = watched.page
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for panel in ("#chart canvas", "#graph canvas", "#rows tr:first-child", "#budgets", "#venues"):
            await page.locator(panel).scroll_into_view_if_needed()
            await expect(page.locator(panel)).to_be_visible()
        assert await page.evaluate(BEHIND_KEY) == 0
        await page.set_viewport_size({"width": 280, "height": 650})
        right = "(all) => Math.max(...all.map((it) => it.getBoundingClientRect().right))"
        assert await page.locator("#by-state, .u-legend .u-value").evaluate_all(right) <= 256
    assert watched.problems == []
