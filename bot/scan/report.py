"""A scan told: one JSON object for machines, some lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.market.dual.capture import Cause
from bot.market.dual.exact import Trade
from bot.market.dual.settling import settlements
from bot.market.opportunity import Step
from bot.scan.scan import Scanned
from chains.assets import Token

SHOWN = 20
"""How many opportunities, and how many venues left out, people are shown."""

_WHY = {
    Cause.ROUNDING: "integers and least amounts, and what the bound is above what can be had",
    Cause.LEFT: "still offered behind all that was found: too coarse for whole units, or not found",
    Cause.PEGS: "what pools might spend on moving their pegs",
    Cause.UNSUPPORTED: "pools that the executor cannot swap at",
    Cause.REFUSED: "pools that were refused",
    Cause.HOPS: "walks of too many hops",
    Cause.BUDGET: "inputs above the budget",
    Cause.GAS: "walks that earn less than their gas, and sizes that follow from it",
}


def document(scanned: Scanned) -> dict[str, Any]:
    """The scan as JSON values; amounts are decimal strings of base units."""
    gas_price = scanned.terms.gas_price_wei
    return {
        "first_block": scanned.first_block,
        "block": scanned.block,
        "numeraire": _token(scanned.numeraire),
        "pools": scanned.pools,
        "books": scanned.books,
        "gas_price_wei": str(gas_price),
        "bound_wei": str(scanned.bound),
        "captured_wei": str(scanned.capture.gain),
        "captured_net_wei": str(scanned.capture.net(gas_price)),
        "transactions": sum(1 for _ in settlements(scanned.capture.trades)),
        "captured_share": scanned.share,
        "missed_wei": {str(cause): str(units) for cause, units in scanned.missed.items()},
        "opportunities": [_opportunity(trade, gas_price) for trade in scanned.capture.trades],
        "left_out": [{"venue": venue, "reason": reason} for venue, reason in scanned.left_out.items()],
    }


def lines(scanned: Scanned) -> Iterator[str]:
    """The scan for a person."""
    unit, gas_price = scanned.numeraire, scanned.terms.gas_price_wei
    if scanned.first_block == scanned.block:
        when = f"block {scanned.block}"
    else:
        when = f"blocks {scanned.first_block} to {scanned.block}, taken as one state"
    yield f"{when}: {scanned.pools:,} pools, {scanned.books:,} books"
    yield f"  bound          {_shown(scanned.bound, unit)}  nothing known here could have gained more"
    yield f"  captured       {_shown(scanned.capture.gain, unit)}  {scanned.share:.2%} of the bound, before gas"
    yield f"  captured, net  {_shown(scanned.capture.net(gas_price), unit)}  at {gas_price / 1e9:g} gwei"
    for cause, units in scanned.missed.items():
        if units:
            yield f"  missed         {_shown(units, unit)}  {cause}: {_WHY[cause]}"
    trades = sorted(scanned.capture.trades, key=lambda trade: trade.net(gas_price), reverse=True)
    for trade in trades[:SHOWN]:
        yield from told(trade, unit, gas_price)
    if len(trades) > SHOWN:
        yield f"  and {len(trades) - SHOWN:,} more; --json has them all"


def told(trade: Trade, unit: Token, gas_price_wei: int) -> Iterator[str]:
    """A trade with the marginal price, fee and size of each hop."""
    net = _shown(trade.net(gas_price_wei), unit)
    yield f"  {trade.walk}: gains {_shown(trade.gain, unit)}, {net} after {trade.gas:,} gas"
    for step in trade.steps:
        yield (
            f"    {step.venue}: {_shown(step.amount_in, step.token_in)} -> {_shown(step.amount_out, step.token_out)}; "
            f"marginal {step.rate:.9g}, average {step.average:.9g}, fee {step.fee_ppm / 10_000:g} %"
        )


def _opportunity(trade: Trade, gas_price_wei: int) -> dict[str, Any]:
    return {
        "route": [_hop(step) for step in trade.steps],
        "amounts": [[str(step.amount_in), str(step.amount_out)] for step in trade.steps],
        "closes_after": len(trade.walk.cycle),
        "gas": trade.gas,
        "gross_wei": str(trade.gain),
        "net_wei": str(trade.net(gas_price_wei)),
    }


def _hop(step: Step) -> dict[str, Any]:
    return {
        "pool": step.venue,
        "token_in": _token(step.token_in),
        "token_out": _token(step.token_out),
        "marginal_price": step.rate,
        "average_price": step.average,
        "fee_ppm": step.fee_ppm,
    }


def _token(token: Token) -> dict[str, Any]:
    return {"address": token.address, "symbol": token.symbol, "decimals": token.decimals}


def _shown(units: int, token: Token) -> str:
    return f"{float(token.whole(units)):.9g} {token.symbol}"
