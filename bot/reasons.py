"""Why something was refused: one code per reason, kept in the ledger, shown everywhere by the same name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chains.assets import Token


class Reason(StrEnum):
    """Reason codes. The value is what the ledger, the JSON and the dashboard show."""

    # market and strategy
    POOL_IN_USE = "pool_in_use"
    STALE_DATA = "stale_data"
    PROVIDERS_DISAGREE = "providers_disagree"
    NO_INVENTORY = "no_inventory"
    NO_MARK = "no_mark"
    TOKEN_UNTESTED = "token_untested"  # noqa: S105
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    # risk
    BUDGET_CAPITAL = "budget_capital"
    BUDGET_PER_TRADE = "budget_per_trade"
    BUDGET_HOUR_LOSS = "budget_hour_loss"
    BUDGET_DAY_LOSS = "budget_day_loss"
    BUDGET_GAS = "budget_gas"
    BUDGET_DRAWDOWN = "budget_drawdown"
    STRATEGY_HALTED = "strategy_halted"
    TRADING_HALTED = "trading_halted"
    TRADING_REDUCING = "trading_reducing"
    # simulator
    SIM_REVERTED = "sim_reverted"
    SIM_INVALID = "sim_invalid"
    SIM_NO_COINS = "sim_no_coins"
    SIM_BELOW_MIN_PROFIT = "sim_below_min_profit"
    SIM_COINBASES_DISAGREE = "sim_coinbases_disagree"
    SIM_SENSITIVE = "sim_sensitive"
    TOKEN_TAX = "token_tax"  # noqa: S105
    TOKEN_TRAP = "token_trap"  # noqa: S105
    # signer: its policy, in the order in which it asks
    SIGNER_HALTED = "signer_halted"
    SIGNER_REDUCING = "signer_reducing"
    SIGNER_CHAIN_ID = "signer_chain_id"
    SIGNER_NETWORK = "signer_network"
    SIGNER_OPERATOR = "signer_operator"
    SIGNER_TYPE = "signer_type"
    SIGNER_TARGET = "signer_target"
    SIGNER_CODE_HASH = "signer_code_hash"
    SIGNER_SELECTOR = "signer_selector"
    SIGNER_CALLDATA = "signer_calldata"
    SIGNER_STRATEGY = "signer_strategy"
    SIGNER_TOKEN = "signer_token"  # noqa: S105
    SIGNER_POOL = "signer_pool"
    SIGNER_FORBIDDEN = "signer_forbidden"
    SIGNER_VALUE = "signer_value"
    SIGNER_GAS_LIMIT = "signer_gas_limit"
    SIGNER_MAX_FEE = "signer_max_fee"
    SIGNER_TIP = "signer_tip"
    SIGNER_NONCE = "signer_nonce"
    SIGNER_AMOUNT = "signer_amount"
    SIGNER_DEADLINE = "signer_deadline"
    SIGNER_MIN_PROFIT = "signer_min_profit"
    SIGNER_SLIPPAGE = "signer_slippage"
    SIGNER_PRICE = "signer_price"
    SIGNER_VERDICT_MISMATCH = "signer_verdict_mismatch"
    SIGNER_VERDICT_FAILED = "signer_verdict_failed"
    SIGNER_VERDICT_STALE = "signer_verdict_stale"
    SIGNER_VERDICT_UNPROFITABLE = "signer_verdict_unprofitable"
    SIGNER_WORST_CASE = "signer_worst_case"
    # signer: its budgets and breakers, of a strategy or of all together
    SIGNER_BUDGET_PER_TRADE = "signer_budget_per_trade"
    SIGNER_BUDGET_HOUR_LOSS = "signer_budget_hour_loss"
    SIGNER_BUDGET_DAY_LOSS = "signer_budget_day_loss"
    SIGNER_BUDGET_LIFETIME = "signer_budget_lifetime"
    SIGNER_BUDGET_GAS = "signer_budget_gas"
    SIGNER_BUDGET_EXPOSURE = "signer_budget_exposure"
    SIGNER_BUDGET_DRAWDOWN = "signer_budget_drawdown"
    SIGNER_BUDGET_RATE = "signer_budget_rate"
    SIGNER_BREAKER_FAILURES = "signer_breaker_failures"
    SIGNER_BREAKER_DRAWDOWN = "signer_breaker_drawdown"
    SIGNER_DEAD_MAN = "signer_dead_man"
    # signer: the conversation with it
    SIGNER_REPLACEMENT = "signer_replacement"
    SIGNER_SETTLEMENT = "signer_settlement"
    SIGNER_JOURNAL = "signer_journal"
    SIGNER_MALFORMED = "signer_malformed"
    SIGNER_BUSY = "signer_busy"
    SIGNER_INTERNAL = "signer_internal"
    SIGNER_UNREACHABLE = "signer_unreachable"
    # execution
    ORDER_UNKNOWN = "order_unknown"
    ORDER_QUARANTINED = "order_quarantined"
    EXCHANGE_RESTS = "exchange_rests"
    ACCOUNT_HALTED = "account_halted"
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    ALREADY_DECIDED = "already_decided"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused plan, intent or request: the code, and one line for a person. A value, never an exception."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class TokenRefusal(Refusal):
    """A plan refused for what `token` was measured to do: `does` says it, as what follows its name."""

    token: Token
    does: str
