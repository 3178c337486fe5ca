"""Loading Curve StableSwap pools from a chain. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from chains.assets import Address, address
from chains.pools.curve_stable import CurveStablePool
from chains.pools.pool import Call, Loading, MalformedState, PoolFacts
from chains.pools.stable_swap import RULES, Amplification, StableRules
from chains.pools.words import WORD, require_words, selector, unsigned, word

MULTICALL3 = address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Answers what time it is: pools that move with time must know theirs."""


_INITIAL_A, _FUTURE_A = selector("initial_A()"), selector("future_A()")
_INITIAL_A_TIME, _FUTURE_A_TIME = selector("initial_A_time()"), selector("future_A_time()")
_FEE, _ADMIN_FEE = selector("fee()"), selector("admin_fee()")
_OFFPEG = selector("offpeg_fee_multiplier()")
_STORED_RATES = selector("stored_rates()")
_BALANCE, _BALANCE_OLD = selector("balances(uint256)"), selector("balances(int128)")
_TOTAL_SUPPLY = selector("totalSupply()")
_TIMESTAMP = selector("getCurrentBlockTimestamp()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in one round.

    `details` may say `rules`, a name of `RULES` (default `template`); `lp_token`, its address where it is not the pool
    itself; and `rates`, which is `oracle` where the pool has `stored_rates()`, that move without an event.
    """
    pool, coins = facts.address, range(len(facts.tokens))
    rules = rules_named(facts)
    reads = (_INITIAL_A, _FUTURE_A, _INITIAL_A_TIME, _FUTURE_A_TIME, _FEE, _ADMIN_FEE, _OFFPEG, _STORED_RATES)
    lp_token = address(str(facts.details.get("lp_token", pool)))
    answers = yield (
        *(Call(pool, read) for read in reads),
        *(Call(pool, _BALANCE + word(index)) for index in coins),
        *(Call(pool, _BALANCE_OLD + word(index)) for index in coins),
        Call(lp_token, _TOTAL_SUPPLY),
        Call(MULTICALL3, _TIMESTAMP),
    )
    *state, offpeg, stored_rates = answers[: len(reads)]
    initial, future, start_s, end_s, fee, admin_fee = (
        unsigned(require_words(answer, 1, f"the parameters of {pool}")) for answer in state
    )
    held = answers[len(reads) : len(reads) + 2 * len(coins)]
    balances = tuple(
        unsigned(require_words(new or old, 1, f"balances({index}) of {pool}"))
        for index, new, old in zip(coins, held[: len(coins)], held[len(coins) :], strict=True)
    )
    supply, now = (unsigned(require_words(answer, 1, f"the LP supply and time of {pool}")) for answer in answers[-2:])
    rates, moving = tuple(10 ** (36 - token.decimals) for token in facts.tokens), False
    if facts.details.get("rates") == "oracle":
        rates, moving = _stored_rates(stored_rates, len(coins), pool), True
    return CurveStablePool(
        pool,
        facts.tokens,
        balances,
        rates,
        Amplification(initial, future, start_s, end_s),
        fee,
        admin_fee,
        rules,
        now,
        lp_supply=supply,
        offpeg_multiplier=unsigned(offpeg) if len(offpeg) == WORD else 0,
        rates_at_s=now if moving else None,
    )


def rules_named(facts: PoolFacts) -> StableRules:
    """The generation that `facts` name. Raises `MalformedState`."""
    name = str(facts.details.get("rules", "template"))
    if name not in RULES:
        raise MalformedState(f"pool {facts.address} cannot have rules {name!r}; known are {', '.join(RULES)}")
    return RULES[name]


def _stored_rates(answer: bytes, coins: int, pool: Address) -> tuple[int, ...]:
    """`stored_rates()`: a fixed array, or NG's dynamic one."""
    if len(answer) == WORD * (coins + 2) and unsigned(answer) == WORD and unsigned(answer, 1) == coins:
        answer = answer[2 * WORD :]
    if len(answer) != WORD * coins:
        raise MalformedState(f"stored_rates() of {pool} answered {len(answer)} bytes for {coins} coins")
    return tuple(unsigned(answer, index) for index in range(coins))
