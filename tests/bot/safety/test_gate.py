"""What the ledger says of a token decides whether it may be held; whatever is in doubt may not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.ledger.ledger import Ledger
from bot.reasons import Reason, Refusal
from bot.risk.budget import Budget
from bot.risk.guard import Guard
from bot.safety.gate import lapse_changed, lapse_upgraded, may_hold
from bot.safety.lab import TokenLab
from bot.safety.report import Oddity, Standing, TokenReport
from bot.safety.watch import TokenWatch
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Block, ChainEvent, Head, Log, Undone
from chains.kernels.cache import compiled
from chains.pools.upgrades import UPGRADED
from tests.bot.ledger.given import INSTANCE, USDT, WETH, WORST, atomic_plan, begin, open_ledger, sell_plan
from tests.bot.safety.corpus import odd_world
from tests.chains.codec.viewed import viewed

HEAD = Head(10, "0x0a", "0x09", 1_700_000_010, 10**9, 0, 30_000_000)
GOOD = TokenReport("twin", Address(WETH.address), 9, "0x09", Standing.SUPPORTED)
AMPLE = Budget(*[10**30] * 6)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def known(ledger: Ledger, *tokens: Token, **changes: object) -> None:
    for token in tokens:
        ledger.record_token_report(replace(GOOD, token=Address(token.address), **changes))


def reason(refusal: Refusal | None) -> Reason | None:
    return refusal.reason if refusal else None


def block_with(number: int, *logs: Log) -> Block:
    return Block(replace(HEAD, number=number, hash=f"0x{number:02x}"), logs)


def upgraded(token: Token, *, topic: bytes = UPGRADED) -> Log:
    return Log(Address(token.address), (topic, bytes(32)), b"", 11, "0x0b", "0x01", 0, 0)


def test_a_token_that_was_never_measured_may_not_be_held(ledger: Ledger) -> None:
    refused = may_hold(ledger, WETH, HEAD)
    assert refused == Refusal(
        Reason.TOKEN_UNTESTED, f"{WETH} was never measured; run `isthmus tokens check {WETH.address}`"
    )


def test_a_supported_token_and_the_native_coin_may_be_held(ledger: Ledger) -> None:
    known(ledger, WETH)
    assert may_hold(ledger, WETH, HEAD) is None
    assert may_hold(ledger, Token("twin", ZERO_ADDRESS, "ETH", 18), HEAD) is None
    assert reason(may_hold(ledger, USDT, HEAD)) is Reason.TOKEN_UNTESTED


def test_a_refused_token_is_refused_by_the_names_of_what_it_does(ledger: Ledger) -> None:
    oddities = (Oddity.SELL_TAX, Oddity.EVENTS_DIFFER)
    known(ledger, WETH, standing=Standing.REFUSED, oddities=oddities)
    assert may_hold(ledger, WETH, HEAD) == Refusal(Reason.TOKEN_REFUSED, f"{WETH} is refused: sell_tax, events_differ")


def test_the_newest_report_counts_and_one_from_above_the_head_counts_for_nothing(ledger: Ledger) -> None:
    known(ledger, WETH)
    known(ledger, WETH, block_number=11)
    assert reason(may_hold(ledger, WETH, HEAD)) is Reason.TOKEN_UNTESTED
    assert may_hold(ledger, WETH, replace(HEAD, number=11)) is None


def test_reports_survive_a_restart_and_belong_to_their_chain(tmp_path: Path, ledger: Ledger) -> None:
    known(ledger, WETH)
    ledger.record_token_report(replace(GOOD, token=Address(USDT.address)), "0xanother")
    ledger.close()
    again = open_ledger(tmp_path / "ledger.db", start=False)
    begin(again, "0xanother")
    assert (may_hold(again, USDT, HEAD), reason(may_hold(again, WETH, HEAD))) == (None, Reason.TOKEN_UNTESTED)
    begin(again, INSTANCE)
    assert again.token_report("twin", Address(WETH.address)) == GOOD
    again.close()


@pytest.mark.parametrize(
    "numbers", [False, pytest.param(True, marks=pytest.mark.skipif(not compiled(), reason="Numba"))]
)
def test_an_upgrade_makes_a_token_untested_until_it_is_measured_again(ledger: Ledger, numbers: bool) -> None:
    known(ledger, WETH, USDT)
    logs = (upgraded(USDT), replace(upgraded(WETH, topic=bytes(32)), log_index=1))
    block = block_with(11, *logs)
    if numbers:
        block = replace(block, logs=viewed([replace(log, block_hash="0x" + "ab" * 32) for log in logs]))
    assert lapse_upgraded(ledger, [WETH, USDT], block) == (USDT,)
    refused = may_hold(ledger, USDT, replace(HEAD, number=11))
    assert refused is not None and "its implementation changed in block 11" in refused.detail
    assert may_hold(ledger, WETH, HEAD) is None
    known(ledger, USDT, block_number=12)
    assert may_hold(ledger, USDT, replace(HEAD, number=12)) is None


def test_the_guard_lets_no_plan_keep_what_may_not_be_held(ledger: Ledger) -> None:
    watch = TokenWatch(ledger, [WETH, USDT], HEAD)
    guard = Guard(ledger, {"dex_arbitrage": AMPLE, "cex_dex_arbitrage": AMPLE}, watch.refusal)
    for plan in (atomic_plan(1), sell_plan(1)):
        assert reason(guard.check(plan, WORST)) is Reason.TOKEN_UNTESTED
    known(ledger, WETH)
    watch = TokenWatch(ledger, [WETH, USDT], HEAD)
    guard = Guard(ledger, {"dex_arbitrage": AMPLE, "cex_dex_arbitrage": AMPLE}, watch.refusal)
    assert guard.check(atomic_plan(1), WORST) is None
    refused = guard.check(sell_plan(1), WORST)
    assert refused is not None and str(USDT) in refused.detail


def test_a_start_tells_which_of_its_tokens_are_not_traded(ledger: Ledger) -> None:
    known(ledger, WETH)
    watch = TokenWatch(ledger, [WETH, USDT], HEAD)
    (refused,) = watch.refusals()
    assert refused.reason is Reason.TOKEN_UNTESTED and str(USDT) in refused.detail


async def test_a_watch_refuses_from_the_block_of_an_upgrade_on_and_over_reorganisations(ledger: Ledger) -> None:
    known(ledger, WETH, USDT, block_number=10)
    watch = TokenWatch(ledger, [WETH, USDT], HEAD)
    assert watch.refusal(sell_plan(1)) is None

    async def events() -> AsyncGenerator[ChainEvent]:
        yield block_with(11)
        yield block_with(12, upgraded(USDT))
        yield Undone(replace(HEAD, number=9), ("0x0c", "0x0b", "0x0a"))

    refusals = [reason(watch.refusal(sell_plan(1))) async for _ in watch.seen(events())]
    assert refusals == [None, Reason.TOKEN_UNTESTED, Reason.TOKEN_UNTESTED]
    assert reason(watch.refusal(atomic_plan(1))) is Reason.TOKEN_UNTESTED


async def test_a_run_measures_what_is_unknown_or_changed_and_nothing_twice(ledger: Ledger) -> None:
    async with odd_world() as world:
        good, bad = [await world.listed(*which) for which in (("OddToken", "OddToken"), ("Taxed", "Salmonella"))]
        tokens = [Token("twin", at, name, 18) for at, name in ((good, "GOOD"), (bad, "BAD"))]
        rpc = world.chain.anvil.rpc
        async with TokenLab(world.network, world.chain.anvil.http_url) as lab:
            watch = TokenWatch(ledger, tokens, await world.head())
            await watch.open(lab, rpc)
            first = [ledger.token_report("twin", at) for at in (good, bad)]
            assert [report.standing for report in first if report] == [Standing.SUPPORTED, Standing.REFUSED]
            await rpc("evm_mine")
            await TokenWatch(ledger, tokens, await world.head()).open(lab, rpc)
            assert ledger.token_report("twin", good) == first[0]
            taxed = await world.deploy("Taxed", "FeeAlways")
            await rpc("anvil_setCode", good, await rpc("eth_getCode", taxed, "latest"))
            head = await world.head()
            assert await lapse_changed(ledger, tokens, rpc, head) == (tokens[0],)
            assert await lapse_changed(ledger, tokens, rpc, head) == ()
            await TokenWatch(ledger, tokens, head).open(lab, rpc)
            assert reason(may_hold(ledger, tokens[0], head)) is Reason.TOKEN_REFUSED


async def test_a_token_that_cannot_be_measured_now_stays_untested_and_the_ledger_says_why(ledger: Ledger) -> None:
    async with odd_world() as world:
        token = Token("twin", await world.listed("OddToken", "OddToken"), "ODD", 18)
        gone = replace(await world.head(), hash="0x" + "77" * 32)
        async with TokenLab(world.network, world.chain.anvil.http_url) as lab:
            await TokenWatch(ledger, [token], gone).open(lab, world.chain.anvil.rpc)
    assert reason(may_hold(ledger, token, gone)) is Reason.TOKEN_UNTESTED
    with ledger.read() as connection:
        events = connection.exec_driver_sql("SELECT name, detail FROM events").all()
    assert [name for name, _ in events] == ["token_unmeasured"]
    assert "the chain moved on" in events[0][1]
