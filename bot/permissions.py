"""What the signer is told to permit, derived from the configuration and from nothing the market says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bot.config.budgets import TotalBudgetSettings
from bot.config.model import RunConfig
from bot.config.strategies import StrategyConfig
from bot.execution.fees import MAX_SLIPPAGE_PPM
from bot.execution.marks import Marks, NoMark
from bot.execution.transactions import Identity
from bot.market import Market
from bot.risk.budget import Budget
from bot.signer.policy import UNLIMITED_COUNT, Maker, SignerPolicy, StrategyLimits, Target, TransactionCaps
from chains.assets import Address, Amount, Token
from chains.executor import SELECTORS
from chains.networks import Network

GWEI = 10**9
_ETH_DECIMALS = 18
_MARK_UNITS = 10**18


@dataclass(frozen=True, slots=True)
class Scope:
    """The only pools and tokens a strategy may touch; None: all of the policy's."""

    pools: frozenset[Address] | None = None
    tokens: frozenset[Address] | None = None


ANYWHERE = Scope()


def scopes(config: RunConfig, allowed: Mapping[str, Callable[[str, Token], bool]], market: Market) -> dict[str, Scope]:
    """Where each strategy with a filter may go, of the pools in `market`. `allowed` are `bot.opening.filters`."""
    found = {}
    for strategy in config.strategies:
        if strategy.name not in allowed:
            continue
        permits = allowed[strategy.name]
        taken = [
            (pool, token) for venue, pool in market.pools.items() for token in pool.tokens if permits(venue, token)
        ]
        found[strategy.name] = Scope(
            frozenset(pool.hop(*pool.tokens[:2]).pool for pool, _ in taken)
            if strategy.filter.venues or strategy.filter.kinds
            else None,
            frozenset(Address(token.address) for _, token in taken) if strategy.filter.tokens else None,
        )
    return found


def budgets(config: RunConfig) -> dict[str, Budget]:
    """Each strategy's budget."""
    return {strategy.name: Budget(**strategy.budget.in_wei()) for strategy in config.strategies}


def total_budget(config: RunConfig) -> Budget | None:
    """The budget of all strategies together; None where the run file states none."""
    return None if config.budget == TotalBudgetSettings() else whole_budget(config)


def whole_budget(config: RunConfig) -> Budget:
    """As `total_budget`; what the run file leaves out is what the strategies' own add up to."""
    total = _total(config)
    return Budget(
        capital_wei=total.exposure_wei,
        per_trade_wei=total.per_trade_wei,
        hour_loss_wei=total.hour_loss_wei,
        day_loss_wei=total.day_loss_wei,
        gas_day_wei=total.day_gas_wei,
        drawdown_wei=total.drawdown_wei,
    )


def signer_policy(
    config: RunConfig,
    network: Network,
    identity: Identity,
    *,
    profit_tokens: Iterable[Token],
    caps: Mapping[Token, int],
    pools: Iterable[Address],
    marks: Marks,
    scopes: Mapping[str, Scope] = MappingProxyType({}),
    proven: bool = False,
) -> SignerPolicy:
    """The policy the signer enforces by itself, whatever the engine asks for. `scopes` are those of some strategies.

    `proven`: the books are compared with the chain during the run, so that a dead man's switch makes sense.
    """
    signer = config.signer
    return SignerPolicy(
        chain_id=network.chain_id,
        test_chain=network.test_chain,
        network=network.name,
        operator=identity.operator,
        further_operators=identity.further_operators,
        targets={identity.executor: Target(identity.code_hash, identity.inventory)},
        selectors=frozenset("0x" + selector.hex() for selector in SELECTORS),
        profit_marks={Address(token.address): marks.wei(token, _MARK_UNITS) for token in profit_tokens},
        inventory_caps={Address(token.address): cap for token, cap in caps.items()},
        pools=frozenset(pools),
        makers=makers(network),
        caps=TransactionCaps(
            max_gas_limit=signer.gas_limit,
            max_fee_wei=int(signer.max_fee_gwei * GWEI),
            max_tip_wei=int(signer.max_tip_gwei * GWEI),
            max_deadline_blocks=signer.deadline_blocks,
            max_verdict_age_s=signer.max_verdict_age_s,
            max_slippage_ppm=MAX_SLIPPAGE_PPM,
            exchange_loss_ppm=config.execution.unwind_loss_ppm,
            max_drift_ppm=signer.max_drift_ppm,
        ),
        strategies={it.name: _limits(it, scopes.get(it.name, ANYWHERE)) for it in config.strategies},
        total=_total(config),
        owner=signer.owner,
        dead_man_s=config.breakers.dead_man_s if proven else 0,
        native_mark=marks.gas_coin(network.wrapped).mark,
        inventory_marks={Address(token.address): mark for token in caps if (mark := _mark(marks, token)) is not None},
    )


def makers(network: Network) -> tuple[Maker, ...]:
    """The factories whose derivation is proven: what they make while a run goes on may be traded in it."""
    return tuple(
        Maker(factory.deployer, factory.family.value, factory.init_code_hash, factory.kinds)
        for factory in network.factories.values()
        if factory.proven and factory.init_code_hash
    )


def _mark(marks: Marks, token: Token) -> int | None:
    """None for what has no price: the signer exchanges nothing it cannot value."""
    try:
        return marks.wei(token, _MARK_UNITS)
    except NoMark:
        return None


def _limits(strategy: StrategyConfig, scope: Scope = ANYWHERE) -> StrategyLimits:
    budget = strategy.budget.in_wei()
    least = strategy.parameters.get("min_profit")
    return StrategyLimits(
        per_trade_wei=budget["per_trade_wei"],
        hour_loss_wei=budget["hour_loss_wei"],
        day_loss_wei=budget["day_loss_wei"],
        day_gas_wei=budget["gas_day_wei"],
        min_profit_wei=least.units(_ETH_DECIMALS) if isinstance(least, Amount) else 0,
        lifetime_loss_wei=strategy.budget.lifetime_loss_wei,
        exposure_wei=budget["capital_wei"],
        drawdown_wei=budget["drawdown_wei"],
        failures_in_a_row=strategy.budget.failures_in_a_row,
        transactions_a_minute=strategy.budget.transactions_a_minute,
        pools=scope.pools,
        tokens=scope.tokens,
    )


def _total(config: RunConfig) -> StrategyLimits:
    """What is left out of the budget of all is what the strategies' own add up to."""
    stated, own = config.budget, [_limits(strategy) for strategy in config.strategies]

    def wei(name: str, limit: str) -> int:
        return stated.wei(name, sum(getattr(limits, limit) for limits in own))

    return StrategyLimits(
        per_trade_wei=wei("per_trade", "per_trade_wei"),
        hour_loss_wei=wei("hour_loss", "hour_loss_wei"),
        day_loss_wei=wei("day_loss", "day_loss_wei"),
        day_gas_wei=wei("gas_day", "day_gas_wei"),
        min_profit_wei=0,
        lifetime_loss_wei=wei("lifetime_loss", "lifetime_loss_wei"),
        exposure_wei=wei("capital", "exposure_wei"),
        drawdown_wei=wei("drawdown", "drawdown_wei"),
        failures_in_a_row=stated.failures_in_a_row or UNLIMITED_COUNT,
        transactions_a_minute=stated.transactions_a_minute or sum(limits.transactions_a_minute for limits in own),
    )
