"""The signer's policy says what the configuration says, and nothing that the market says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from bot.config.budgets import TotalBudgetSettings
from bot.config.load import Loaded, load
from bot.config.strategies import FilterSettings
from bot.execution.fees import MAX_SLIPPAGE_PPM
from bot.execution.marks import Marks, NoMark
from bot.execution.transactions import Identity
from bot.gas import ETHER as ETHER_COIN
from bot.permissions import Scope, budgets, scopes, signer_policy, total_budget
from bot.signer.policy import EXECUTOR_SELECTORS, SignerPolicy, Target, decode_policy, encode_policy
from chains.assets import Address, Token
from tests.bot.execution.given import market as given_market
from tests.bot.ledger.given import ETHER, GWEI
from tests.chains.pools.samples import at

IDENTITY = Identity(31337, "twin", at(1), at(2), at(3), "0x" + "ab" * 32)
POOLS = [at(10), at(11)]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load()


@pytest.fixture(scope="module")
def policy(loaded: Loaded) -> SignerPolicy:
    weth, usdc, wbtc = (loaded.network.token(symbol) for symbol in ("WETH", "USDC", "WBTC"))
    return signer_policy(
        loaded.config,
        loaded.network,
        IDENTITY,
        profit_tokens=[weth, usdc],
        caps={weth: 25 * ETHER, wbtc: 150_000_000},
        pools=POOLS,
        marks=Marks({weth: Fraction(1), usdc: Fraction(ETHER, 1_850 * 10**6)}),
    )


def test_every_strategy_has_the_budget_of_its_file(loaded: Loaded) -> None:
    found = budgets(loaded.config)
    assert set(found) == {"dex_arbitrage", "cex_dex_arbitrage"}
    for strategy in loaded.config.strategies:
        assert found[strategy.name].day_loss_wei == strategy.budget.in_wei()["day_loss_wei"]
        assert found[strategy.name].gas_day_wei == strategy.budget.in_wei()["gas_day_wei"]


def test_one_executor_may_be_called_with_its_code_pinned(policy: SignerPolicy) -> None:
    assert policy.targets == {IDENTITY.executor: Target(IDENTITY.code_hash, IDENTITY.inventory)}
    assert policy.selectors == EXECUTOR_SELECTORS and policy.operator == IDENTITY.operator
    assert (policy.chain_id, policy.test_chain, policy.network) == (31337, True, "twin")


def test_only_known_pools_and_listed_tokens_may_be_touched(policy: SignerPolicy, loaded: Loaded) -> None:
    assert policy.pools == frozenset(POOLS)
    weth, wbtc = (Address(loaded.network.token(symbol).address) for symbol in ("WETH", "WBTC"))
    assert policy.inventory_caps == {weth: 25 * ETHER, wbtc: 150_000_000}


def test_a_gain_is_valued_at_its_opening_mark_rounded_down(policy: SignerPolicy, loaded: Loaded) -> None:
    weth, usdc = (Address(loaded.network.token(symbol).address) for symbol in ("WETH", "USDC"))
    assert policy.profit_marks == {weth: ETHER, usdc: ETHER * ETHER // (1_850 * 10**6)}


def test_gas_in_ether_is_worth_itself_and_in_another_coin_its_opening_mark(
    policy: SignerPolicy, loaded: Loaded
) -> None:
    assert policy.coin == ETHER_COIN
    weth, dai = loaded.network.token("WETH"), loaded.network.token("DAI")
    elsewhere = signer_policy(
        loaded.config,
        replace(loaded.network, wrapped=dai),
        IDENTITY,
        profit_tokens=[weth],
        caps={},
        pools=[],
        marks=Marks({weth: Fraction(1), dai: Fraction(1, 5000)}),
    )
    assert elsewhere.native_mark == Fraction(1, 5000)
    assert decode_policy(encode_policy(elsewhere)) == elsewhere


def test_the_limits_of_a_transaction_are_those_of_the_run_file(policy: SignerPolicy, loaded: Loaded) -> None:
    signer = loaded.config.signer
    assert policy.caps.max_fee_wei == int(signer.max_fee_gwei) * GWEI
    assert policy.caps.max_tip_wei == int(signer.max_tip_gwei) * GWEI
    assert policy.caps.max_gas_limit == signer.gas_limit
    assert policy.caps.max_deadline_blocks == signer.deadline_blocks
    assert policy.caps.max_slippage_ppm == MAX_SLIPPAGE_PPM


def test_a_strategys_least_profit_binds_the_signer_too(policy: SignerPolicy) -> None:
    assert policy.strategies["dex_arbitrage"].min_profit_wei == 5 * 10**14
    assert policy.strategies["cex_dex_arbitrage"].min_profit_wei == 5 * 10**14


def test_the_signer_reads_what_was_written(policy: SignerPolicy) -> None:
    assert decode_policy(encode_policy(policy)) == policy


def test_a_profit_token_nobody_can_value_is_an_error_before_anything_starts(loaded: Loaded) -> None:
    with pytest.raises(NoMark):
        signer_policy(
            loaded.config,
            loaded.network,
            IDENTITY,
            profit_tokens=[loaded.network.token("DAI")],
            caps={},
            pools=[],
            marks=Marks({}),
        )


def test_a_strategy_with_a_filter_is_bound_to_its_pools_and_tokens_and_another_to_none(loaded: Loaded) -> None:
    market = given_market()
    named = loaded.config.strategies[0].model_copy(
        update={"filter": FilterSettings(tokens=("WETH",), venues=("uniswap_v2",))}
    )
    config = loaded.config.model_copy(update={"strategies": (named, *loaded.config.strategies[1:])})
    only = sorted(market.pools)[0]
    weth = market.pools[only].tokens[0]

    def permits(venue: str, token: Token) -> bool:
        return venue == only and token == weth

    found = scopes(config, {named.name: permits}, market)
    pool = market.pools[only]
    assert found == {
        named.name: Scope(frozenset({pool.hop(*pool.tokens[:2]).pool}), frozenset({Address(weth.address)}))
    }


def test_what_all_may_risk_together_is_what_is_stated_and_otherwise_the_sum(loaded: Loaded) -> None:
    assert total_budget(loaded.config) is None
    stated = loaded.config.model_copy(update={"budget": TotalBudgetSettings(hour_loss="3 ETH")})
    total, own = total_budget(stated), budgets(loaded.config).values()
    assert total is not None
    assert total.hour_loss_wei == 3 * ETHER
    assert total.day_loss_wei == sum(budget.day_loss_wei for budget in own)


def test_the_dead_mans_switch_is_set_only_where_the_books_are_proven(loaded: Loaded) -> None:
    weth = loaded.network.token("WETH")
    proven, unproven = (
        signer_policy(
            loaded.config,
            loaded.network,
            IDENTITY,
            profit_tokens=[weth],
            caps={},
            pools=POOLS,
            marks=Marks({weth: Fraction(1)}),
            proven=proven,
        ).dead_man_s
        for proven in (True, False)
    )
    assert (proven, unproven) == (600, 0)
