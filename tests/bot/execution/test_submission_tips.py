"""The share that is offered as a tip: what leaves most on average, from what landed and what did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot.execution.routes import Routes
from bot.execution.tips import MILLION, SHARES_PPM, Tips, best_share, chance
from bot.ledger.deliveries import Handed, Inclusion
from bot.ledger.ledger import Ledger
from bot.ledger.states import least_bump
from chains.relays.destinations import MEMPOOL, Mempool
from tests.bot.execution.given import cycle, head
from tests.bot.execution.scripted import FEE_POLICY, ScriptedChain, ScriptedSimulator, desk, signer_at
from tests.bot.execution.test_submission import block, leaves, mined, sent_transactions
from tests.bot.ledger.given import ETHER, GWEI
from tests.chains.pools.samples import at

CALM, FOUGHT = at(61), at(62)
histories = st.lists(
    st.builds(
        Inclusion,
        st.sampled_from(("relay", MEMPOOL)),
        st.frozensets(st.sampled_from((CALM, FOUGHT)), min_size=1),
        st.sampled_from(SHARES_PPM),
        st.booleans(),
    ),
    max_size=40,
)


@given(histories, st.sampled_from(("relay", MEMPOOL)), st.frozensets(st.sampled_from((CALM, FOUGHT))))
def test_more_is_never_less_likely_to_land_and_no_chance_is_certain(
    history: Sequence[Inclusion], destination: str, pools: frozenset[object]
) -> None:
    chances = [chance(history, destination, pools, share) for share in SHARES_PPM]  # type: ignore[arg-type]
    assert chances == sorted(chances) and all(0 < each < 1 for each in chances)


@given(histories, st.integers(1, ETHER), st.integers(0, ETHER), st.integers(0, MILLION))
def test_no_share_exceeds_its_bound_and_none_would_leave_more(
    history: Sequence[Inclusion], spare_wei: int, lost_wei: int, most_ppm: int
) -> None:
    pools = frozenset({CALM})
    chosen = best_share(history, ("relay",), pools, spare_wei=spare_wei, lost_wei=lost_wei, most_ppm=most_ppm)
    assert chosen.share_ppm <= most_ppm

    def leaves_on_average(share: int) -> Fraction:
        odds = chance(history, "relay", pools, share)
        return odds * spare_wei * (MILLION - share) / MILLION - (1 - odds) * lost_wei

    if chosen.share_ppm:
        others = [share for share in SHARES_PPM if share <= most_ppm]
        assert leaves_on_average(chosen.share_ppm) == max(map(leaves_on_average, others))


def test_where_nothing_is_known_half_is_offered_and_experience_moves_it() -> None:
    def share(*history: Inclusion, pool: object = CALM) -> int:
        pools = frozenset({pool})
        chosen = best_share(history, ("relay",), pools, spare_wei=ETHER, lost_wei=0, most_ppm=950_000)  # type: ignore[arg-type]
        return chosen.share_ppm

    won = [Inclusion("relay", frozenset({CALM}), 100_000, True)] * 30
    lost = [Inclusion("relay", frozenset({FOUGHT}), 600_000, False)] * 30
    assert share() == 500_000
    assert share(*won) < 150_000
    assert share(*lost, pool=FOUGHT) > 600_000
    assert share(*won, *lost, pool=FOUGHT) > share(*won, *lost)
    assert share(*(replace(each, destination=MEMPOOL) for each in lost), pool=FOUGHT) == 500_000


async def test_the_tip_is_in_the_terms_before_it_is_signed_and_what_became_of_it_is_learnt(
    ledger: Ledger, tmp_path: Path
) -> None:
    chain = ScriptedChain()
    routes = Routes({MEMPOOL: Mempool(chain.send_raw)})
    tips = Tips(ledger.inclusions, routes, FEE_POLICY, most_ppm=950_000, max_tip_wei=10 * GWEI)
    plan = cycle(profit_wei=3 * 10**15)
    with signer_at(tmp_path) as signer:
        on = desk(ledger, chain, ScriptedSimulator(plan), signer, tips=tips)
        plain = desk(ledger, chain, ScriptedSimulator(plan), signer).prepare(plan, head(10))
        prepared = on.prepare(plan, head(10))
        assert prepared.share_ppm == 500_000 and prepared.fees.tip_wei > plain.fees.tip_wei
        spare = plan.expected_profit_wei - plan.min_profit_wei - prepared.gas * FEE_POLICY.gas_price_wei(head(10), 0)
        assert prepared.fees.tip_wei == spare // 2 // prepared.gas
        more = prepared.gas * (prepared.fees.tip_wei - plain.fees.tip_wei)
        assert prepared.terms.min_gain == plain.terms.min_gain + more, "the contract enforces it"
        left = await leaves(on, ledger, plan)
        (transaction,) = sent_transactions(chain)
        assert transaction.tip_wei == prepared.fees.tip_wei and ledger.inclusions(9) == []
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(11), status=0)
        await on.on_block(block(11))
        assert ledger.inclusions(9) == [Inclusion(MEMPOOL, plan.pools, 500_000, True)]
        known, pools = ledger.inclusions(9), plan.pools
        assert chance(known, MEMPOOL, pools, 500_000) > chance([], MEMPOOL, pools, 500_000)


def test_no_plan_gains_so_much_that_its_tip_leaves_a_noop_no_room() -> None:
    routes = Routes({MEMPOOL: Mempool(ScriptedChain().send_raw)})
    tips = Tips(lambda _: [], routes, FEE_POLICY, most_ppm=950_000, max_tip_wei=10 * GWEI)
    _, tip_wei = tips.offered(cycle(profit_wei=ETHER), 200_000, head(10))
    assert tip_wei is not None and 9 * GWEI < least_bump(tip_wei) <= 10 * GWEI


async def test_a_call_that_was_cancelled_is_a_loss_and_one_in_flight_is_neither(ledger: Ledger, tmp_path: Path) -> None:
    chain = ScriptedChain()
    with signer_at(tmp_path) as signer:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        await on.on_block(block(11))
        noop = ledger.attempts(left.intent.id)[-1].tx_hash
        chain.receipts[noop] = mined(noop, head(12))
        await on.on_block(block(12))
        for number in range(13, 21):
            await on.on_block(block(number))
        assert [each.landed for each in ledger.inclusions(9)] == [False]


async def test_only_what_a_destination_took_counts(ledger: Ledger, tmp_path: Path) -> None:
    chain = ScriptedChain()
    with signer_at(tmp_path) as signer:
        left = await leaves(desk(ledger, chain, ScriptedSimulator(cycle()), signer), ledger, cycle())
        ledger.record_deliveries(
            left.intent.id, 1, [Handed("relay", "unknown"), Handed("other", "refused", "x")], [], 0
        )
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(11), status=0)
        again = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await again.on_block(block(11))
        assert [each.destination for each in ledger.inclusions(9)] == [MEMPOOL]


async def test_what_landed_in_public_too_says_nothing_of_a_relay(ledger: Ledger, tmp_path: Path) -> None:
    chain = ScriptedChain()
    ways = {name: Mempool(chain.send_raw) for name in (MEMPOOL, "relay")}
    with signer_at(tmp_path) as signer:
        for number, names in enumerate(((MEMPOOL, "relay"), ("relay",)), 10):
            plan = cycle(number)
            on = desk(ledger, chain, ScriptedSimulator(plan), signer, routes=Routes(ways, names))
            left = await leaves(on, ledger, plan, number)
            chain.receipts[left.tx_hash] = mined(left.tx_hash, head(number + 1), status=0)
            await on.on_block(block(number + 1))
    assert [each.destination for each in ledger.inclusions(9)] == ["relay", MEMPOOL]
