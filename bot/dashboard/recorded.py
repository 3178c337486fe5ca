"""The ledger's answers as the page shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bot.dashboard import source
from bot.dashboard.series import thinned
from bot.dashboard.source import State
from bot.ledger.history import History, RecordedIntent, history
from bot.ledger.ledger import Ledger
from bot.ledger.reading import Decision, Fill, decisions, decisions_of, profit_series
from bot.ledger.states import Exposure, IntentState, MinedAs
from bot.market.books import book_id
from bot.mode import Mode
from bot.plan import Order, Plan, Side, Swap
from bot.risk.budget import Budget
from bot.risk.usage import Usage, read_usage, traded, used_together
from bot.signer.switch import TOTAL
from chains.assets import Token

EXCHANGE = "exchange"


def read_decisions(ledger: Ledger, limit: int, before: int | None) -> list[source.Decision]:
    """Newest first."""
    return [_decision(decision, ledger.run.mode) for decision in decisions(ledger, limit, before)]


def read_open_decisions(ledger: Ledger, also: Collection[int]) -> list[source.Decision]:
    """Those that wait for the chain or for their other side, and those with the ids `also`; newest first."""
    waiting = [intent.id for intent in ledger.open_intents()]
    return [_decision(decision, ledger.run.mode) for decision in decisions_of(ledger, also, waiting)]


def read_decision(ledger: Ledger, id_: int) -> source.DecisionDetail | None:
    """A decision from its plan to its fills."""
    found = history(ledger, id_)
    return None if found is None else _detail(found, ledger.run.mode)


def read_profit(ledger: Ledger, strategies: Sequence[str], after: int) -> dict[str, list[source.ProfitPoint]]:
    """Points with an id above `after`, of earlier runs of the same instance too: budgets count them as well."""
    return {
        strategy: thinned([source.ProfitPoint(point.id, point.at_ms, point.cumulative_wei) for point in points])
        for strategy, points in profit_series(ledger, strategies, after).items()
    }


def read_budgets(
    ledger: Ledger, budgets: Mapping[str, Budget], halted: Mapping[str, str | None]
) -> list[source.BudgetShown]:
    """The limits of each strategy, and under `TOTAL` those of all together, if any. `halted` says why one is."""
    counted = {*budgets, *(traded(ledger) if TOTAL in budgets else ())} - {TOTAL}
    used = {strategy: read_usage(ledger, strategy) for strategy in counted}
    together = used_together([*used.values()])
    return [_budget(name, budget, used.get(name, together), halted.get(name)) for name, budget in budgets.items()]


def _budget(name: str, budget: Budget, usage: Usage, halted: str | None) -> source.BudgetShown:
    """As the guard counts: what is not final is taken at its worst. Of trades, the largest in flight is told."""
    used = {
        "capital": (usage.capital_wei, budget.capital_wei),
        "per_trade": (usage.largest_wei, budget.per_trade_wei),
        "hour_loss": (usage.hour_loss_wei + usage.reserved_loss_wei, budget.hour_loss_wei),
        "day_loss": (usage.day_loss_wei + usage.reserved_loss_wei, budget.day_loss_wei),
        "gas_day": (usage.gas_day_wei + usage.reserved_gas_wei, budget.gas_day_wei),
    }
    if name != TOTAL:
        used["drawdown"] = (usage.drawdown_wei, budget.drawdown_wei)
    limits = tuple(source.Limit(limit, wei, most) for limit, (wei, most) in used.items())
    return source.BudgetShown(name, limits, usage.in_flight, halted)


def state_of(decision: Decision, mode: Mode) -> State:
    """How far a decision got, in one word."""
    match decision.status:
        case "refused":
            return State.REFUSED
        case "decided":
            return State.SIMULATED if mode is Mode.DRY else State.DECIDED
        case IntentState.RESERVED:
            return State.DECIDED
        case IntentState.SIGNED:
            return State.SIGNED
        case IntentState.SENDING | IntentState.PENDING | IntentState.FOREIGN:
            return State.PENDING
        case IntentState.RELEASED:
            return State.REFUSED if decision.reason else State.RELEASED
    if decision.mined_as == MinedAs.NOOP:
        return State.RELEASED
    if decision.mined_as == MinedAs.REVERTED:
        return State.REVERTED
    if decision.exposure == Exposure.UNWOUND:
        return State.UNWOUND
    if decision.exposure == Exposure.OWED or decision.profit_wei is None:
        return State.HEDGING
    return State.SETTLED


def _decision(decision: Decision, mode: Mode, gas_wei: int | None = None) -> source.Decision:
    return source.Decision(
        id=decision.id,
        at_ms=decision.at_ms,
        block=decision.block_number,
        strategy=decision.strategy,
        state=state_of(decision, mode),
        route=decision.note.rpartition(": ")[0] or decision.note,
        expected_wei=decision.expected_profit_wei,
        realised_wei=decision.profit_wei,
        gas_wei=gas_wei,
        reason=decision.reason,
        detail=decision.detail,
        tx_hash=decision.tx_hash,
    )


def _detail(found: History, mode: Mode) -> source.DecisionDetail:
    plan, intent = found.plan, found.intent
    return source.DecisionDetail(
        decision=_decision(found.decision, mode, intent.gas_wei if intent and intent.block_number else None),
        plan_id=found.decision.plan_id,
        hops=[_hop(leg) for leg in plan.legs],
        min_profit_wei=plan.min_profit_wei,
        gas_estimate=plan.gas_estimate,
        deadline_block=plan.deadline_block,
        verdicts=[
            source.VerdictShown(
                verdict.outcome,
                verdict.block_number,
                verdict.gas_used,
                verdict.gas_price_wei,
                verdict.tx_digest,
                verdict.reason,
            )
            for verdict in found.verdicts
        ],
        refusals=[source.RefusalShown(refusal.at_ms, refusal.reason, refusal.detail) for refusal in found.refusals],
        intent=None if intent is None else _intent(intent, found.decision.tx_hash),
        fills=[_fill(fill, _tokens(plan)) for fill in found.fills],
    )


def _hop(leg: Swap | Order) -> source.Hop:
    if isinstance(leg, Swap):
        one, other = leg.token_in, leg.token_out
        return source.Hop(
            venue=leg.hop.pool,
            venue_kind=leg.hop.kind.name.lower(),
            symbol_in=one.symbol,
            decimals_in=one.decimals,
            amount_in_units=leg.amount_in,
            symbol_out=other.symbol,
            decimals_out=other.decimals,
            amount_out_units=leg.amount_out,
            fee_ppm=leg.hop.fee_ppm,
        )
    selling = leg.side is Side.SELL
    paid, got = (leg.base, leg.quote) if selling else (leg.quote, leg.base)
    amounts = (leg.amount, leg.expected_quote) if selling else (leg.expected_quote, leg.amount)
    venue = book_id(leg.exchange, leg.symbol)
    return source.Hop(venue, EXCHANGE, paid.symbol, paid.decimals, amounts[0], got.symbol, got.decimals, amounts[1])


def _intent(intent: RecordedIntent, tx_hash: str | None) -> source.IntentShown:
    return source.IntentShown(
        id=intent.id,
        state=intent.state,
        nonce=intent.nonce,
        gas_limit=intent.gas_limit,
        max_fee_wei=intent.max_fee_wei,
        tip_wei=intent.tip_wei,
        attempts=intent.attempts,
        exposure=intent.exposure,
        deadline_block=intent.deadline_block,
        tx_hash=tx_hash,
        mined_block=intent.block_number,
        gas_used=intent.gas_used,
    )


def _tokens(plan: Plan) -> dict[str, Token]:
    """The plan's tokens by address or currency code, as fills name them."""
    swapped = [token for swap in plan.swaps for token in (swap.token_in, swap.token_out)]
    ordered = [token for order in plan.orders for token in (order.base, order.quote)]
    return {token.address: token for token in (*swapped, *ordered)}


def _fill(fill: Fill, tokens: Mapping[str, Token]) -> source.FillShown:
    """A token the plan does not name is shown by its address, in base units."""
    paid = tokens.get(fill.token_in) or Token("", fill.token_in, fill.token_in, 0)
    got = tokens.get(fill.token_out) or Token("", fill.token_out, fill.token_out, 0)
    return source.FillShown(
        venue=fill.venue,
        trade_id=fill.trade_id,
        symbol_in=paid.symbol,
        decimals_in=paid.decimals,
        amount_in_units=fill.amount_in,
        symbol_out=got.symbol,
        decimals_out=got.decimals,
        amount_out_units=fill.amount_out,
        undone_by=fill.undone_by,
    )
