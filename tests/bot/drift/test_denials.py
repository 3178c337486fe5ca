"""A token on which plans keep failing goes out, with every pool of its own and no other."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bot.drift import denials as denying
from bot.drift.denials import FAILURES, Denials
from bot.execution.gains import Gains
from bot.ledger.decisions import Level
from bot.ledger.reading import decisions, events
from bot.ledger.states import MinedAs
from bot.market import Market
from bot.plan import Plan, Swap
from bot.reasons import Reason, Refusal, TokenRefusal
from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.hops import Hop, HopKind
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.tick_math import Ticks
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, PoolKey
from chains.pools.words import word
from tests.bot.execution.given import cycle
from tests.bot.market.samples import DAI, USDC, WETH, market, v2
from tests.bot.test_strategy import CHEAP, DEAR, view
from tests.chains.pools.samples import at
from tests.road import scenario as scenarios
from tests.road.small import open_road

UNITS = 10**24
SOUND, ODD, ODDER = (
    v2(1, WETH, USDC, (UNITS, UNITS)),
    v2(2, USDC, DAI, (UNITS, UNITS)),
    v2(3, DAI, WETH, (UNITS, UNITS)),
)


def _denials(of: Market) -> tuple[Denials, list[str], Counter[str]]:
    told: list[str] = []
    counts: Counter[str] = Counter()

    def record(level: Level, name: str, detail: str) -> None:
        told.append(f"{level} {name} {detail}")

    return Denials(of, record, counts), told, counts


PAIR = Hop(HopKind.CONSTANT_PRODUCT, SOUND.address, True, 3000)


def _through(first: Token, second: Token, hop: Hop = PAIR) -> Plan:
    """A cycle from WETH through both tokens."""
    ways = ((WETH, first), (first, second), (second, WETH))
    return replace(cycle(), legs=tuple(Swap(hop, *way, UNITS, UNITS) for way in ways))


def test_a_token_on_which_plans_fail_in_a_row_is_traded_nowhere_any_more() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, told, counts = _denials(made)
    for _ in range(FAILURES - 1):
        denials.failed(_through(USDC, DAI), [DAI])
    assert len(made.pools) == 3 and told == []
    denials.failed(_through(USDC, DAI), [DAI])
    assert set(made.pools) == {SOUND.venue} and counts == {"tokens_denied": 1}
    why = f"{FAILURES} plans in a row through {DAI} reverted though nothing that others did to their pools explains it"
    left_out = f"2 pools are left out of this run; to keep it out, deny {DAI.address}"
    assert told == [f"warning token_denied {why}: {left_out}"]
    assert not list(made.cycles())


def test_a_plan_that_came_as_foreseen_clears_its_tokens() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, told, _ = _denials(made)
    for _ in range(3):
        for _ in range(FAILURES - 1):
            denials.failed(_through(USDC, DAI), [DAI])
        denials.traded(_through(USDC, DAI))
    assert len(made.pools) == 3 and told == []


def test_a_pool_made_later_for_a_denied_token_goes_out_at_its_first_failure() -> None:
    made = market(SOUND, ODD)
    denials, _, counts = _denials(made)
    for _ in range(FAILURES):
        denials.failed(_through(USDC, DAI), [DAI])
    made.add_pool(ODDER, 1)
    denials.failed(_through(USDC, DAI), [DAI])
    assert set(made.pools) == {SOUND.venue} and counts == {"tokens_denied": 1}


def test_a_token_that_is_refused_head_after_head_for_what_was_measured_of_it_keeps_no_plan_from_its_place() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, told, counts = _denials(made)
    plan = _through(USDC, DAI)
    taxes = TokenRefusal(Reason.TOKEN_TAX, "as a plan shows it", DAI, "keeps 100000 ppm")
    for outcome in (taxes, taxes, None, taxes, Refusal(Reason.SIM_REVERTED, "others were first"), taxes):
        denials.tried(plan, outcome)
    assert len(made.pools) == 3 and told == []
    denials.tried(plan, taxes)
    assert set(made.pools) == {SOUND.venue}, "another token of its plans is none the worse for it"
    assert counts == {"tokens_denied": 1}
    assert told[0].startswith(f"warning token_denied 3 plans in a row were refused for {DAI}, which keeps 100000 ppm: ")


@pytest.mark.parametrize("vouched_for", [False, True])
async def test_what_is_measured_of_a_token_tells_against_it_unless_it_has_a_mark(
    vouched_for: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denying, "FAILURES", 1)
    if vouched_for:
        monkeypatch.setattr(Gains, "unmarked", lambda gains, plan: frozenset())
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("poisoned"), tmp_path, stack)
        await road.mine(())
        assert [made.reason for made in decisions(road.ledger)] == [Reason.TOKEN_TAX]
        denied = [event.detail for event in events(road.ledger) if event.name == "token_denied"]
        assert len(denied) == (not vouched_for) == (not road.road.market.pools)
        assert all("for MID@anvil, which keeps " in detail for detail in denied)


def test_a_pool_whose_fee_is_set_at_will_goes_out_and_its_tokens_do_not() -> None:
    key = PoolKey((WETH, DAI), DYNAMIC_FEE, 60, address("0x" + "12" * 18 + "0000"))
    ticks = Ticks(60, -1, 1, {}, {})
    hooked = UniswapV4Pool(at(4), key, 3000, 0, 2**96, 0, UNITS, ticks)
    made = market(SOUND, ODD, ODDER, hooked)
    denials, told, counts = _denials(made)
    plan = _through(USDC, DAI, hooked.hop(DAI))
    for _ in range(FAILURES - 1):
        denials.failed(plan, [DAI])
    denials.traded(plan)
    for _ in range(FAILURES):
        assert len(made.pools) == 4 and told == []
        denials.failed(plan, [DAI])
    assert set(made.pools) == {SOUND.venue, ODD.venue, ODDER.venue} and counts == {"kept_out": 1}
    denials.failed(plan, [DAI])
    assert len(made.pools) == 3 and len(told) == 1, "one that was in flight says nothing new"


def test_whoever_gives_to_a_vault_brings_the_vaults_shares_into_doubt_and_not_its_asset() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, _, counts = _denials(made)
    vault = Hop(HopKind.ERC4626, Address(DAI.address), True, 0)
    for _ in range(FAILURES):
        denials.failed(_through(USDC, DAI, vault), [USDC, DAI])
    assert set(made.pools) == {SOUND.venue} and counts == {"tokens_denied": 1}


def _sync(pool: ConstantProductPool, *reserves: int) -> Log:
    return Log(pool.address, (SYNC,), b"".join(map(word, reserves)), 11, "0x11", "0x99", 0, 0)


@pytest.mark.parametrize(
    ("first", "explains"),
    [
        ((_sync(CHEAP, *CHEAP.reserves), _sync(CHEAP, CHEAP.reserves[0] + 1, CHEAP.reserves[1])), False),
        ((_sync(CHEAP, *CHEAP.reserves), _sync(CHEAP, *DEAR.reserves)), True),
        ((replace(_sync(CHEAP, 1, 1), data=b"?"),), True),
        ((Log(CHEAP.address, (), b"", 11, "0x11", "0x99", 0, 0), _sync(CHEAP, 0, 0)), True),
    ],
    ids=["sync", "taken", "unreadable", "emptied"],
)
def test_what_others_did_first_explains_a_revert_only_where_it_takes_the_gain(
    first: tuple[Log, ...], explains: bool
) -> None:
    made = market(CHEAP, DEAR)
    denials, told, _ = _denials(made)
    (found,) = view(made).cycles(max_hops=2)
    plan = found.plan(min_profit_wei=1)
    denials.sent(plan)
    for _ in range(FAILURES):
        denials.failed(plan, [USDC], first, plan.amount_in + 1)
    assert bool(made.pools) == explains == (not told)


def test_where_it_is_not_known_how_pools_stood_what_others_did_explains_a_revert() -> None:
    made = market(CHEAP, DEAR)
    (found,) = view(made).cycles(max_hops=2)
    for _ in range(FAILURES):
        _denials(made)[0].failed(found.plan(min_profit_wei=1), [USDC], [_sync(CHEAP, *CHEAP.reserves)], 1)
    assert len(made.pools) == 2


async def test_a_trade_that_reverts_for_nothing_that_was_seen_tells_against_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def middle(gains: Gains, plan: Plan) -> frozenset[Token]:
        return frozenset({plan.swaps[0].token_out})

    monkeypatch.setattr(denying, "FAILURES", 1)
    monkeypatch.setattr(Gains, "unmarked", middle)
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("two_pools"), tmp_path, stack)
        await road.mine(())
        (sent,) = decisions(road.ledger)
        assert sent.intent_id is not None
        for facts in road.pools.values():
            # Reserves of one unit each: what the chain does from now on, no log has told of.
            await road.anvil.rpc("anvil_setStorageAt", facts.address, hex(8), f"0x{1 | 1 << 112:064x}")
        await road.mine(())
        assert road.ledger.intent(sent.intent_id).mined_as is MinedAs.REVERTED
        assert [event.name for event in events(road.ledger)].count("token_denied") == 1
        assert road.engine.counts["tokens_denied"] == 1 and not road.road.market.pools
