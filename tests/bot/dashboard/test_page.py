"""The page in a real browser: what it shows, what it survives, and that it looks as it should.

With `ISTHMUS_SCREENSHOT=PATH` the first test leaves the picture it took there, to be looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, ViewportSize, expect

from bot.dashboard.app import Dashboard
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
from tests.bot.dashboard.samples import ETHER, HOSTILE_SYMBOL, STRATEGIES, SampleRun
from tests.bot.dashboard.serving import Stops, dashboard_of
from tests.browser.chromium import open_browser
from tests.browser.watch import Watched, open_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

INKED = """(selector) => {
  const canvas = document.querySelector(selector);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  let inked = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 40) continue;
    inked += 1;
    colours.add((data[at] >> 4 << 8) | (data[at + 1] >> 4 << 4) | (data[at + 2] >> 4));
  }
  return { share: inked / (data.length / 4), colours: colours.size };
}"""
"""How much of a canvas is drawn on, and in how many colours."""

BEHIND_KEY = """() => {
  const [canvas, key] = [document.querySelector("#graph canvas"), document.querySelector("#graph-key")];
  const above = key.getBoundingClientRect().top - canvas.getBoundingClientRect().top;
  const top = Math.floor(above * canvas.height / canvas.clientHeight);
  const { data } = canvas.getContext("2d").getImageData(0, top, canvas.width, canvas.height - top);
  return data.filter((value, at) => at % 4 === 3 && value > 40).length;
}"""
"""How many pixels of the price graph are drawn on from its key's first line down."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserContext]:
    """One for all: each test has a page of its own, from a dashboard of its own."""
    async with open_browser(color_scheme="dark") as opened:
        yield opened


@asynccontextmanager
async def shown(
    browser: BrowserContext, dashboard: Dashboard, viewport: ViewportSize = DESKTOP
) -> AsyncIterator[Watched]:
    """The dashboard's page, connected."""
    await browser.clear_cookies()
    url = await dashboard.start()
    try:
        async with open_page(browser, url, viewport) as watched:
            await expect(watched.page.locator("#link")).to_have_text("Live")
            yield watched
    finally:
        await dashboard.close()


async def inked(page: Page, selector: str) -> Mapping[str, float]:
    drawn: Mapping[str, float] = await page.evaluate(INKED, selector)
    return drawn


async def test_the_page_shows_the_run_and_follows_it_live(browser: BrowserContext, tmp_path: Path) -> None:
    run = SampleRun(blocks=90)
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        page = watched.page
        await expect(page.locator("#mode")).to_have_text("live")
        await expect(page.locator("#network")).to_have_text("twin · 31337")
        await expect(page.locator("#head")).to_have_text(f"{run.block:,}".replace(",", "\u202f"))
        first_profit = await page.locator("#total").text_content()
        first_row = await page.locator("#rows tr").first.get_attribute("data-id")
        assert first_profit and first_profit.endswith(" ETH")

        for _ in range(6):
            run.advance()
        dashboard.tell()
        await expect(page.locator("#head")).to_have_text(f"{run.block:,}".replace(",", "\u202f"))
        await expect(page.locator("#total")).not_to_have_text(first_profit)
        await expect(page.locator("#rows tr").first).not_to_have_attribute("data-id", first_row or "")

        await expect(page.locator(".u-legend")).to_contain_text("cex dex arbitrage")
        assert (await inked(page, "#chart canvas"))["colours"] > 4
        graph = await inked(page, "#graph canvas")
        assert graph["share"] > 0.05
        assert graph["colours"] > 20
        await expect(page.locator("#graph-scope")).to_contain_text("150 of 1\u202f365 assets")
        await expect(page.locator("#graph-key")).to_contain_text("Uniswap V3")

        refused = page.locator("#rows tr", has=page.locator(".chip[data-state=refused]")).first
        await expect(refused.locator("small")).not_to_be_empty()
        assert await page.get_by_role("meter").count() == 6 * len(STRATEGIES)
        await expect(page.locator("#budgets [data-level=alarm]")).to_have_count(1)
        await expect(page.locator("#venues li")).to_have_count(8)
        await expect(page.locator("#venues .dot[data-state=stale]")).to_have_count(1)
        await expect(page.locator("#venues-count")).to_have_text("2 in trouble")
        await expect(page.locator("#events li")).to_contain_text("operator short")

        asked_for = os.environ.get("ISTHMUS_SCREENSHOT")
        picture = Path(asked_for) if asked_for else tmp_path / "dashboard.png"
        assert len(await page.screenshot(path=picture)) > 50_000
    assert watched.problems == []
    assert watched.strangers == []


class Hostile(SampleRun):
    """Everything a stranger can name is an attack."""

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[Decision]:
        attack = f'{HOSTILE_SYMBOL}<script>alert(2)</script>"><svg onload=alert(3)>'
        return [Decision(1, 0, self.block, attack, State.REFUSED, attack, 1, None, None, attack, attack, attack)]

    async def events(self) -> Sequence[EventShown]:
        return [EventShown(1, 0, 1, HOSTILE_SYMBOL, HOSTILE_SYMBOL, f"{HOSTILE_SYMBOL}<script>alert(4)</script>")]

    async def decision(self, id: int) -> DecisionDetail | None:
        detail = self._details[0]
        return DecisionDetail(
            (await self.decisions(1))[0], HOSTILE_SYMBOL, detail.hops, 0, 0, 0, detail.verdicts, detail.refusals
        )


async def test_hostile_names_are_only_ever_text(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Hostile(blocks=6))) as watched:
        page = watched.page
        await expect(page.locator("#rows .route span")).to_contain_text(HOSTILE_SYMBOL)
        await expect(page.locator("#venues")).to_contain_text(HOSTILE_SYMBOL)
        await expect(page.locator("#events")).to_contain_text(HOSTILE_SYMBOL)
        await page.locator("#rows tr").click()
        await expect(page.locator("#drawer .drawn-route")).to_contain_text("<script>alert(2)</script>")
        await page.keyboard.press("Escape")
        for _ in range(600):
            # The drawer gives the focus back once it is closed, and until the picture has arrived there is no tip.
            await page.locator("#graph canvas").focus()
            await page.keyboard.press("ArrowRight")
            if HOSTILE_SYMBOL in await page.locator("#graph-tip b").all_text_contents():
                break
            await page.wait_for_timeout(10)
        await expect(page.locator("#graph-tip b")).to_have_text(HOSTILE_SYMBOL)
        assert await page.locator("img[src=x], svg[onload], body script").count() == 0
    assert watched.problems == []
    assert watched.strangers == []


async def test_inline_script_and_parsed_markup_are_blocked_by_the_policy(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=1))) as watched:
        blocked = await watched.page.evaluate(
            """() => {
              try { document.body.innerHTML = "<img src=x onerror=alert(1)>"; } catch { return true; }
              return false;
            }"""
        )
        assert blocked
        await watched.page.evaluate(
            "() => { const s = document.createElement('style'); s.textContent = 'body{display:none}';"
            " document.head.append(s); }"
        )
        await expect(watched.page.locator("#decisions")).to_be_visible()
    assert any("style-src" in problem for problem in watched.problems)


async def test_a_decision_opens_from_plan_to_fill_and_focus_comes_back(browser: BrowserContext) -> None:
    run = SampleRun(blocks=60)
    async with shown(browser, dashboard_of(run)) as watched:
        page = watched.page
        await page.select_option("#by-state", "settled")
        await page.select_option("#by-strategy", "dex_arbitrage")
        for chip in await page.locator("#rows .chip").all_text_contents():
            assert chip == "settled"
        opener = page.locator("#rows .open").first
        await opener.focus()
        await page.keyboard.press("Enter")
        drawer = page.get_by_role("dialog")
        number = await page.locator("#rows tr").first.get_attribute("data-id")
        await expect(drawer.locator(".step h3")).to_have_text(
            ["Plan", "Verdict: ok", f"Intent {number}: mined", "Fills"]
        )
        await expect(drawer.locator(".hops").first.locator("li").first).to_contain_text("1 WETH")
        await page.locator("#rows tr").first.evaluate("(row) => row.replaceWith(row.cloneNode(true))")
        await page.keyboard.press("Escape")
        await expect(drawer).to_be_hidden()
        await expect(opener).to_be_focused()

        await page.select_option("#by-state", "refused")
        await page.locator("#rows tr").first.click()
        await expect(drawer.locator(".step[data-tone=refused] .why")).not_to_be_empty()
    assert watched.problems == []


async def test_older_decisions_are_asked_for(browser: BrowserContext) -> None:
    run = SampleRun(blocks=130)
    everything = len(await run.decisions(10_000))
    assert everything > 100
    async with shown(browser, dashboard_of(run)) as watched:
        page = watched.page
        await expect(page.locator("#rows tr")).to_have_count(100)
        while await page.locator("#older").is_visible():
            before = await page.locator("#rows tr").count()
            await page.locator("#older").click()
            await page.wait_for_function(
                "(before) => document.querySelectorAll('#rows tr').length > before"
                " || document.getElementById('older').hidden",
                arg=before,
            )
        await expect(page.locator("#rows tr")).to_have_count(everything)
    assert watched.problems == []


async def test_a_lost_connection_is_said_and_mended(browser: BrowserContext) -> None:
    run = SampleRun(blocks=20)
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        page = watched.page
        for viewer in dashboard._audience._viewers:
            viewer.drop()
        await expect(page.locator("#link")).to_have_text("Reconnecting")
        await expect(page.locator("#notices")).to_contain_text("No connection since")
        await expect(page.locator("#link")).to_have_text("Live", timeout=15_000)
        await expect(page.locator("#notices")).to_be_empty()


async def test_the_end_of_a_run_is_said_and_the_next_one_shown(browser: BrowserContext) -> None:
    run = SampleRun(blocks=20)
    run.halted = {"no_longer_there": "drawdown of 0.51 ETH is over 0.5"}
    run.operators = (OperatorKey("0xEf0102", 0, "another program uses this key"),)
    first = dashboard_of(run)
    async with shown(browser, first) as watched:
        page = watched.page
        port = int(page.url.rstrip("/").rpartition(":")[2])
        await first.close()
        await expect(page.locator("#link")).to_have_text("Ended")
        await expect(page.locator("#notices")).to_contain_text("The run ended at")
        ran = await page.locator("#uptime").text_content()
        await page.wait_for_timeout(1_500)
        await expect(page.locator("#link")).to_have_text("Ended")
        await expect(page.locator("#uptime")).to_have_text(ran or "")
        run.halted, run.operators = {}, ()
        second = dashboard_of(run, port=port)
        await second.start()
        await expect(page.locator("#link")).to_have_text("Live", timeout=15_000)
        await expect(page.locator("#notices")).to_be_empty()
        await second.close()


class Nothing(SampleRun):
    """A run before its first head."""

    async def header(self) -> Header:
        return Header("dry", "ethereum", 1, STRATEGIES, 1_700_000_000_000)

    async def counters(self) -> Counters:
        return Counters()

    async def profit_series(self, since_ms: int) -> Mapping[str, Sequence[ProfitPoint]]:
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
    async with shown(browser, dashboard_of(run)) as watched:
        await expect(watched.page.get_by_role("alert")).to_contain_text("dex arbitrage trades no more: drawdown")
        await expect(watched.page.get_by_role("alert")).to_contain_text("sent with the key 0xEf0102: another program")
        await expect(watched.page.locator("#figures")).to_contain_text("in flight 0xAbCd… 2, 0xEf01… 1")
        await expect(watched.page.locator(".budget.halted")).to_have_count(1)


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


class Long(SampleRun):
    """A ledger of three days, large trades, and more venues and budgets than a page shows."""

    async def profit_series(self, since_ms: int) -> Mapping[str, Sequence[ProfitPoint]]:
        begun_ms = (await self.header()).started_ms - 3 * 86_400_000
        points = [ProfitPoint(begun_ms + 25_000 * number, number * ETHER) for number in range(10_000)]
        return {STRATEGIES[0]: [point for point in points if point.at_ms >= since_ms]}

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
        filled = FillShown("binance", "by hand", "USDT", 8, 2, "ETH", 8, 1, undone_by="what the exchange answered")
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


async def test_a_fill_that_was_taken_back_says_by_what(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(Bounded(blocks=6))) as watched:
        await watched.page.locator("#rows .open").first.click()
        await expect(watched.page.locator(".undone small")).to_contain_text("undone by what the exchange answered")


async def test_the_trading_is_stopped_from_the_page(browser: BrowserContext) -> None:
    stops = Stops()
    dashboard = dashboard_of(SampleRun(blocks=6), stops)
    async with shown(browser, dashboard) as watched:
        page = watched.page
        stops.full = True
        await page.locator("#stop").click()
        await page.locator("#stop-what").select_option("dex_arbitrage")
        await page.locator("#stop-why").fill("looks wrong")
        await page.locator("#stop-now").click()
        await expect(page.locator("#stop-said")).to_contain_text("may still be trading: the disk is full")
        stops.full = False
        await page.locator("#stop-now").click()
        await expect(page.locator("#stopping")).to_be_hidden()
        assert stops.asked == [("dex_arbitrage", "looks wrong", False)]
        await page.locator("#stop").click()
        await page.locator("#stop-why").fill("in haste")
        await page.keyboard.press("Enter")
        await expect(page.locator("#stopping")).to_be_hidden()
        assert stops.asked[1:] == [("", "in haste", False)]
        await page.locator("#stop").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#stopping")).to_be_hidden()
        assert len(stops.asked) == 2
        await dashboard.close()
        await page.locator("#stop").click()
        await page.keyboard.press("Enter")
        await expect(page.locator("#stop-said")).to_contain_text("`isthmus halt` in a terminal stops it too")


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
