"""Why something was refused: one code per reason, kept in the ledger, shown everywhere by the same name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    # simulator
    SIM_REVERTED = "sim_reverted"
    SIM_INVALID = "sim_invalid"
    SIM_BELOW_MIN_PROFIT = "sim_below_min_profit"
    # signer
    SIGNER_CHAIN_ID = "signer_chain_id"
    SIGNER_STRATEGY = "signer_strategy"
    SIGNER_TARGET = "signer_target"
    SIGNER_CALLDATA = "signer_calldata"
    SIGNER_TOKEN = "signer_token"  # noqa: S105
    SIGNER_POOL = "signer_pool"
    SIGNER_LIMIT = "signer_limit"
    SIGNER_NONCE = "signer_nonce"
    SIGNER_DEADLINE = "signer_deadline"
    SIGNER_MIN_PROFIT = "signer_min_profit"
    SIGNER_VERDICT_MISMATCH = "signer_verdict_mismatch"
    SIGNER_VERDICT_FAILED = "signer_verdict_failed"
    SIGNER_VERDICT_STALE = "signer_verdict_stale"
    SIGNER_VERDICT_UNPROFITABLE = "signer_verdict_unprofitable"
    SIGNER_BUDGET = "signer_budget"
    SIGNER_REPLACEMENT = "signer_replacement"
    SIGNER_SETTLEMENT = "signer_settlement"
    SIGNER_JOURNAL = "signer_journal"
    SIGNER_MALFORMED = "signer_malformed"
    SIGNER_BUSY = "signer_busy"
    SIGNER_INTERNAL = "signer_internal"
    SIGNER_UNREACHABLE = "signer_unreachable"
    # execution
    ORDER_UNKNOWN = "order_unknown"
    ACCOUNT_HALTED = "account_halted"
    ALREADY_DECIDED = "already_decided"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused plan, intent or request: the code, and one line for a person. A value, never an exception."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
