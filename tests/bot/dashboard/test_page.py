"""The page in a real browser: what it shows, what it survives, and that it looks as it should.

With `ISTHMUS_SCREENSHOT=PATH` the first test leaves the picture it took there, to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from bot.dashboard.source import (
    Decision,
    DecisionDetail,
    EventShown,
    OperatorKey,
    State,
)
from tests.bot.dashboard.pages import shown
from tests.bot.dashboard.samples import HOSTILE_SYMBOL, STRATEGIES, SampleRun
from tests.bot.dashboard.serving import Stops, dashboard_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

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


ASKED_FOR_OLDER = """async () => {
  const { Store } = await import("/static/store.js");
  const store = new Store();
  const row = (id) => ({ id });
  const live = { decisions: { rows: [row(9001)], gone: [] } };
  store.take({ type: "state", number: 1, values: {}, tables: { decisions: [row(9000)] }, series: {} });
  store.addDecisions(Array.from({ length: 2500 }, (_, older) => row(8999 - older)));
  store.take({ type: "changes", number: 2, values: {}, tables: live, series: {} });
  return store.tables.decisions.size;
}"""
"""How many decisions a page knows that asked for 2,500 older ones before another came."""

HURRIED = """(times) => {
  window.waits ??= window.setTimeout;
  window.setTimeout = (act, ms) => window.waits(act, ms * times);
}"""
"""What the page waits for lasts so many times as long."""


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


async def test_older_decisions_that_were_asked_for_are_not_forgotten_for_new_ones(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=6))) as watched:
        assert await watched.page.evaluate(ASKED_FOR_OLDER) == 2_502


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


async def test_a_bot_that_hangs_is_not_shown_as_live(browser: BrowserContext) -> None:
    run = SampleRun(blocks=20)
    dashboard = dashboard_of(run)
    async with shown(browser, dashboard) as watched:
        page = watched.page
        await page.evaluate(HURRIED, 0.03)
        before = await page.locator("#head").text_content()
        run.advance()
        dashboard.tell()
        await expect(page.locator("#head")).not_to_have_text(before or "")
        run.answers.clear()
        await expect(page.locator("#link")).to_have_text("Reconnecting")
        await expect(page.locator("#notices")).to_contain_text("No connection since")
        ran = await page.locator("#uptime").text_content()
        await page.evaluate("Date.now = ((now) => () => now() + 3_600_000)(Date.now)")
        age = await page.locator("#age").text_content()
        await expect(page.locator("#age")).not_to_have_text(age or "")
        await expect(page.locator("#uptime")).to_have_text(ran or "")
        run.answers.set()
        await expect(page.locator("#link")).to_have_text("Live")
        await page.evaluate(HURRIED, 1)
        await expect(page.locator("#notices")).to_be_empty(timeout=15_000)


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


async def test_a_wish_to_stop_that_a_bot_which_hangs_never_answers_is_said(browser: BrowserContext) -> None:
    async with shown(browser, dashboard_of(SampleRun(blocks=6))) as watched:
        page = watched.page
        await page.route("**/api/session", lambda route: None)
        await page.evaluate(HURRIED, 0.01)
        await page.locator("#stop").click()
        await page.keyboard.press("Enter")
        await expect(page.locator("#stop-said")).to_contain_text("It may still be trading: the bot does not answer")
