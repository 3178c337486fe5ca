"""No order is executed worse than by whoever cuts it in small parts and sends each along what is then the best path."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.exactness.curve import tripool
from bot.market.dual.exact import Desk, swaps
from bot.market.dual.problem import Way
from bot.market.routing import NoRoute, route
from chains.assets import Token
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import InsufficientLiquidity, Pool, PoolError
from tests.bot.market.samples import DAI, USDC, WETH, v3
from tests.bot.market.test_routing import ETH, replayed
from tests.chains.pools.samples import at, pair
from tests.chains.pools.test_balancer_v2 import weighted

DOLLARS = {WETH: 2_000, USDC: 1, DAI: 1}
CHUNKS = (10, 50)
HAIR = 1e-6


def worth(token: Token, dollars: float) -> int:
    return int(dollars / DOLLARS[token] * 10**token.decimals)


def balanced(number: int, dollars: float, *tokens: Token) -> Pool:
    """A weighted pool, of equal weights but for the first."""
    weights = (10**18 - (len(tokens) - 1) * 3 * 10**17, *[3 * 10**17] * (len(tokens) - 1))
    named = {"address": at(number), "pool_id": bytes.fromhex(at(number)[2:]) + bytes(12)}
    balances = tuple(worth(token, dollars * weight / 10**18) for token, weight in zip(tokens, weights, strict=True))
    return replace(weighted(), tokens=tokens, balances=balances, managed=(0,) * len(tokens), weights=weights, **named)


def flat(number: int, dollars: float, lean: float) -> Pool:
    """Curve's, of two dollars, out of balance."""
    balances, rates = (worth(DAI, dollars), worth(USDC, dollars * lean)), (10**18, 10**30)
    return replace(tripool(), address=at(number), tokens=(DAI, USDC), balances=balances, rates=rates)


def market(seed: int) -> tuple[list[Pool], Token, Token, int]:
    """Three to seven pools of several families, and an order from a little to several times what they hold."""
    rng = random.Random(seed)
    pools: list[Pool] = []
    for number in range(300, 300 + rng.randint(3, 7)):
        dollars = 10 ** rng.uniform(3, 7)
        one, other = rng.sample(list(DOLLARS), 2)
        noise = rng.uniform(0.99, 1.01)
        match rng.choice(("pair", "ranged", "weighted", "three", "flat")):
            case "pair":
                pools.append(
                    pair((worth(one, dollars), worth(other, dollars * noise)), number=number, tokens=(one, other))
                )
            case "ranged":
                liquidity, width = int(dollars * 10**13), 60 * rng.randint(1, 20)
                middle = -276_300 + 60 * rng.randint(-1, 1)
                pools.append(v3(number, DAI, USDC, middle, [(middle - width, middle + width, liquidity)], fee_ppm=500))
            case "weighted":
                pools.append(balanced(number, dollars, one, other))
            case "three":
                pools.append(balanced(number, dollars, *rng.sample(list(DOLLARS), 3)))
            case "flat":
                pools.append(flat(number, dollars, rng.uniform(0.5, 2)))
    paid, received = rng.sample(list(DOLLARS), 2)
    return pools, paid, received, worth(paid, 10 ** rng.uniform(2, 8))


def best_path(desk: Desk, pools: Sequence[Pool], paid: Token, received: Token, amount: int) -> tuple[Way, ...]:
    """Of all paths of up to three hops the one that pays most for `amount` now."""
    best: tuple[int, tuple[Way, ...]] = (0, ())
    reached = [(amount, (paid,), ())]
    for arrived, tokens, ways in reached:
        for pool in pools:
            for end in pool.tokens:
                if tokens[-1] not in pool.tokens or end in tokens or any(pool.venue == way.venue for way in ways):
                    continue
                try:
                    out = desk.venue(pool.venue).paid(tokens[-1], arrived, end)
                except (PoolError, ArithmeticError):
                    continue
                path = (*ways, Way(pool.venue, tokens[-1], end))
                if end == received:
                    best = max(best, (out, path), key=lambda found: found[0])
                elif len(path) < 3:
                    reached.append((out, (*tokens, end), path))
    return best[1]


def greedy(pools: Sequence[Pool], paid: Token, received: Token, amount: int, chunks: int) -> int:
    """What the order brings in so many equal chunks; 0 where one finds no path."""
    desk, brought = Desk({pool.venue: pool for pool in pools}), 0
    for before, behind in pairwise(amount * chunk // chunks for chunk in range(chunks + 1)):
        path = best_path(desk, pools, paid, received, behind - before)
        if not path:
            return 0
        brought += swaps(desk, path, behind - before)[-1].amount_out
    return brought


@pytest.mark.parametrize("seed", range(14))
def test_no_order_is_executed_worse_than_chunk_by_chunk(seed) -> None:
    pools, paid, received, amount = market(seed)
    least = max(greedy(pools, paid, received, amount, chunks) for chunks in CHUNKS)
    if not least:
        return
    found = route(pools, paid, received, amount)
    assert found.amount_in == amount and replayed(pools, found) == found.amount_out
    assert found.amount_out >= least * (1 - HAIR)
    asked = route(pools, paid, received, least, exact_out=True)
    assert replayed(pools, asked) == asked.amount_out >= least
    assert asked.amount_in <= amount * (1 + 3 * HAIR)


@pytest.mark.parametrize("times", [0.4, 1, 3])
def test_a_pool_that_takes_a_third_of_what_it_holds_at_once_takes_more_in_several_swaps(times) -> None:
    pool = balanced(300, 10**6, WETH, USDC)
    amount = int(pool.balances[0] * times)
    found = route([pool], WETH, USDC, amount)
    assert found.single is None and len(found.paths) > 1
    assert found.amount_in == amount and replayed([pool], found) == found.amount_out
    with pytest.raises(PoolError):
        pool.quote(WETH, amount, USDC)
    asked = route([pool], WETH, USDC, found.amount_out, exact_out=True)
    assert asked.amount_out >= found.amount_out and asked.amount_in <= amount * (1 + 3 * HAIR)


class Trickling(ConstantProductPool):
    """A pair that takes next to nothing in one swap."""

    __slots__ = ()

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        if amount_in > ETH // 40_000:
            raise InsufficientLiquidity("no more at once")
        return ConstantProductPool.quote(self, token_in, amount_in, token_out)


def test_an_order_that_would_take_thousands_of_swaps_has_no_route() -> None:
    pool = Trickling(at(300), (WETH, USDC), (1_000 * ETH, 2_000_000 * 10**6), 3000)
    with pytest.raises(NoRoute):
        route([pool], WETH, USDC, ETH)
    assert route([pool], WETH, USDC, ETH // 40_000).amount_out == pool.quote(WETH, ETH // 40_000)


def test_pools_that_are_small_beside_an_order_take_their_part_of_it() -> None:
    """The order's slices are larger than what each takes at once; only the poorest takes any amount."""
    pools = [balanced(number, 10**4, WETH, USDC) for number in range(300, 306)]
    poor = pair((worth(WETH, 100), worth(USDC, 100)), tokens=(WETH, USDC))
    amount = 100 * ETH
    found = route([*pools, poor], WETH, USDC, amount)
    assert {step.venue for part in found.paths for step in part.steps} == {pool.venue for pool in (*pools, poor)}
    assert found.amount_out >= 0.999 * greedy([*pools, poor], WETH, USDC, amount, 200)
