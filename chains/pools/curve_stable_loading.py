"""Loading Curve StableSwap pools from a chain. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from chains.assets import Address, address
from chains.pools.curve_probe import probed
from chains.pools.curve_rates import (
    CLOCK,
    MULTICALL3,
    TOTAL_SUPPLY,
    RateAsking,
    Rates,
    RateSource,
    balance_calls,
    balances_told,
)
from chains.pools.curve_stable import CurveStablePool
from chains.pools.pool import Call, Loading, MalformedState, PoolFacts
from chains.pools.stable_swap import RULES, Amplification, StableRules
from chains.pools.words import WORD, require_words, selector, unsigned

__all__ = ["GET_DY", "MULTICALL3", "loading", "reading", "rules_named"]

GET_DY = selector("get_dy(int128,int128,uint256)")

_MAX_DECIMALS = 18
_INITIAL_A, _FUTURE_A = selector("initial_A()"), selector("future_A()")
_INITIAL_A_TIME, _FUTURE_A_TIME = selector("initial_A_time()"), selector("future_A_time()")
_A = selector("A()")
_FEE, _ADMIN_FEE = selector("fee()"), selector("admin_fee()")
_OFFPEG = selector("offpeg_fee_multiplier()")


Reading = Generator[tuple[Call, ...], tuple[bytes, ...], CurveStablePool]


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds: its state, as `reading`, and whether its `get_dy` quotes by these rules.

    Raises as `reading`, and `HookedPool`.
    """
    pool = yield from reading(facts)
    return (yield from probed(pool, pool.balances, GET_DY))


def reading(facts: PoolFacts) -> Reading:
    """Reads a pool's state in one round.

    `details` may say `rules`, a name of `RULES` (default `template`); `lp_token`, its address where it is not the pool
    itself; and `rates`, a `RateSource`, where they move without an event. With it, `lent` says of each coin by 1 or 0
    whether it has a rate (default: all), `underlying` its underlying coin's decimals, by commas (default: its own), and
    `told_by` who tells a redemption price.
    Raises `MalformedState`.
    """
    pool, coins = facts.address, len(facts.tokens)
    rules = rules_named(facts)
    reads = (_INITIAL_A, _FUTURE_A, _INITIAL_A_TIME, _FUTURE_A_TIME, _A, _FEE, _ADMIN_FEE, _OFFPEG)
    lp_token = address(str(facts.details.get("lp_token", pool)))
    asking = _asking(facts, lp_token)
    rated = asking.calls(pool, facts.tokens) if asking else ()
    answers = yield (
        *rated,
        *(Call(pool, read) for read in reads),
        *balance_calls(pool, coins),
        Call(lp_token, TOTAL_SUPPLY),
        CLOCK,
    )
    own = answers[len(rated) :]
    *ramp, fixed, fee_told, admin_told, offpeg = own[: len(reads)]
    supply, now = (unsigned(require_words(answer, 1, f"the LP supply and time of {pool}")) for answer in own[-2:])
    fee, admin_fee = (unsigned(require_words(answer, 1, f"the fees of {pool}")) for answer in (fee_told, admin_told))
    rates = asking.rates(pool, answers[: len(rated)]) if asking else Rates(_fixed(facts))
    return CurveStablePool(
        pool,
        facts.tokens,
        balances_told(pool, coins, own[len(reads) :]),
        rates.paid_by,
        _amplification(pool, ramp, fixed),
        fee,
        admin_fee,
        rules,
        now,
        lp_supply=supply,
        offpeg_multiplier=unsigned(offpeg) if len(offpeg) == WORD else 0,
        rates_at_s=now if asking else None,
        asking=asking,
        viewed_by=rates.viewed_by,
    )


def _amplification(pool: Address, ramp: Sequence[bytes], fixed: bytes) -> Amplification:
    """The oldest pools have an amplification that does not ramp."""
    if not ramp[0]:
        value = unsigned(require_words(fixed, 1, f"A() of {pool}"))
        return Amplification(value, value)
    return Amplification(*(unsigned(require_words(answer, 1, f"the ramp of {pool}")) for answer in ramp))


def _fixed(facts: PoolFacts) -> tuple[int, ...]:
    return tuple(10 ** (36 - token.decimals) for token in facts.tokens)


def _asking(facts: PoolFacts, lp_token: Address) -> RateAsking | None:
    """Whom the pool asks for rates; None where they never change. Raises `MalformedState`."""
    coins = len(facts.tokens)
    named = str(facts.details.get("rates", RateSource.FIXED))
    if named not in set(RateSource):
        raise MalformedState(f"pool {facts.address} cannot have rates {named!r}; known are {', '.join(RateSource)}")
    if named == RateSource.FIXED:
        return None
    lent = str(facts.details.get("lent", "1" * coins))
    told = str(facts.details.get("underlying", ",".join(str(token.decimals) for token in facts.tokens))).split(",")
    if len(lent) != coins or set(lent) - {"0", "1"} or len(told) != coins:
        raise MalformedState(f"pool {facts.address} lends {lent!r} of decimals {told}: one for each of {coins} coins")
    if not all(decimals.isdecimal() and int(decimals) <= _MAX_DECIMALS for decimals in told):
        raise MalformedState(f"pool {facts.address} cannot lend coins of {told} decimals")
    units = tuple(10 ** (_MAX_DECIMALS - int(decimals)) for decimals in told)
    told_by = address(str(facts.details["told_by"])) if "told_by" in facts.details else None
    return RateAsking(RateSource(named), units, tuple(flag == "1" for flag in lent), lp_token, told_by)


def rules_named(facts: PoolFacts) -> StableRules:
    """The generation that `facts` name. Raises `MalformedState`."""
    name = str(facts.details.get("rules", "template"))
    if name not in RULES:
        raise MalformedState(f"pool {facts.address} cannot have rules {name!r}; known are {', '.join(RULES)}")
    return RULES[name]
