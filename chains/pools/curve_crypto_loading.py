"""Loading Curve CryptoSwap pools from a chain. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chains.assets import Address, address
from chains.pools.crypto_swap import RULES, CryptoRules, FeeCurve
from chains.pools.crypto_swap_repeg import Oracle
from chains.pools.curve_crypto import Course, CurveCryptoPool
from chains.pools.curve_probe import probed
from chains.pools.curve_rates import MULTICALL3
from chains.pools.pool import Call, HookedPool, Loading, MalformedState, PoolFacts
from chains.pools.words import require_words, selector, unsigned, word

_GAMMA_BITS = 128

_PARAMETERS = (
    "D",
    "initial_A_gamma",
    "future_A_gamma",
    "initial_A_gamma_time",
    "future_A_gamma_time",
    "mid_fee",
    "out_fee",
    "fee_gamma",
)
_EXTRA_PROFIT, _THRESHOLD = "allowed_extra_profit", "price_threshold"
_MEMORY = (
    "last_prices_timestamp",
    "ma_half_time",
    "xcp_profit",
    "xcp_profit_a",
    "virtual_price",
    _EXTRA_PROFIT,
    "adjustment_step",
    "admin_fee",
)
_ORIGINAL_EXTRA_PROFIT = 10**13
_PRICES = ("price_scale", "price_oracle", "last_prices")
REFUSED_GENERATIONS = ("two_ng", "tricrypto_ng")
"""Pools with other mathematics and other events, which are told by what they call the time of their average."""
_NG_AVERAGE_TIME = selector("ma_time()")
_GET_DY = selector("get_dy(uint256,uint256,uint256)")
_TIMESTAMP = selector("getCurrentBlockTimestamp()")
_TOTAL_SUPPLY = selector("totalSupply()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds: its state, and whether its `get_dy` quotes by these rules.

    Raises `HookedPool` where it does not, and for pools of the NG generation, whatever they quote.

    `details` may say `rules`, a name of `RULES` (default `two`, or `tricrypto` for three coins), and `lp_token`, whose
    supply is needed to follow trades. What a pool remembers of prices is only known where its contract tells it: a
    two-coin pool tells the average as of now, which is the one it stored only in the block of its last trade.
    """
    pool, coins = facts.address, len(facts.tokens)
    rules = RULES.get(str(facts.details.get("rules", "two" if coins == 2 else "tricrypto")))
    if rules is None or coins not in (2, 3):
        raise MalformedState(f"pool {pool} of {coins} coins cannot have rules {facts.details.get('rules')!r}")
    lp_token = facts.details.get("lp_token")
    kept = [_THRESHOLD if rules.original and name == _EXTRA_PROFIT else name for name in _MEMORY]
    calls = [Call(pool, selector(f"{name}()")) for name in (*_PARAMETERS, *kept)]
    calls += [Call(pool, selector("balances(uint256)") + word(index)) for index in range(coins)]
    for name in _PRICES:
        if coins == 2:
            calls.append(Call(pool, selector(f"{name}()")))
        else:
            calls += [Call(pool, selector(f"{name}(uint256)") + word(index)) for index in range(coins - 1)]
    supply_of = pool if lp_token is None else address(str(lp_token))
    average_time, *answers = yield (
        Call(pool, _NG_AVERAGE_TIME),
        *calls,
        Call(supply_of, _TOTAL_SUPPLY),
        Call(MULTICALL3, _TIMESTAMP),
    )
    if average_time:
        generation = REFUSED_GENERATIONS[coins - 2]
        raise HookedPool(f"pool {pool} is of the generation {generation}, whose mathematics nothing proves here")
    needed = iter(answers)
    d, initial, future, start_s, end_s, mid, out, fee_gamma = _words(needed, _PARAMETERS, pool)
    memory = [next(needed) for _ in _MEMORY]
    balances = tuple(_words(needed, ["balances"] * coins, pool))
    scale = tuple(_words(needed, ["price_scale"] * (coins - 1), pool))
    prices = [next(needed) for _ in range(2 * (coins - 1))]
    supply = next(needed)
    (now_s,) = _words(needed, ["block time"], MULTICALL3)
    oracle = None
    if lp_token is not None and all((*memory, *prices, supply)):
        oracle = _oracle(
            [unsigned(answer) for answer in memory], [unsigned(price) for price in prices], unsigned(supply), rules
        )
        if coins == 2 and oracle.last_s != now_s:
            oracle = None
    course = Course(_split(initial), _split(future), start_s, end_s)
    fees = FeeCurve(mid, out, fee_gamma)
    loaded = CurveCryptoPool(pool, facts.tokens, balances, scale, d, course, fees, rules, now_s, oracle)
    return (yield from probed(loaded, balances, _GET_DY))


def _oracle(memory: Sequence[int], prices: Sequence[int], lp_supply: int, rules: CryptoRules) -> Oracle:
    last_s, half_time_s, profit, profit_a, virtual_price, extra, step, admin_fee = memory
    threshold = 0
    if rules.original:
        extra, threshold = _ORIGINAL_EXTRA_PROFIT, extra
    middle = len(prices) // 2
    averages, last = tuple(prices[:middle]), tuple(prices[middle:])
    return Oracle(
        averages,
        last,
        last_s,
        half_time_s,
        profit,
        profit_a,
        virtual_price,
        extra,
        step,
        lp_supply,
        admin_fee,
        price_threshold=threshold,
    )


def _split(packed: int) -> tuple[int, int]:
    """A · n^n in the upper half, gamma in the lower."""
    return packed >> _GAMMA_BITS, packed & (1 << _GAMMA_BITS) - 1


def _words(answers: Iterator[bytes], names: Sequence[str], pool: Address) -> list[int]:
    return [unsigned(require_words(next(answers), 1, f"{name}() of {pool}")) for name in names]
