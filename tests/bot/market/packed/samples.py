"""Small packed markets, drawn or made by hand."""

import numpy as np
from hypothesis import strategies as st

from bot.market.packed import Filter, PackedMarket
from chains.pools.pool import Piece

GAS = Filter(gas_price_wei=10**9, gas_base=40_000, gas_of_class=np.full(64, 70_000.0))
KEPT = 0.997


def hand_made(most_hubs=12):
    """ETH, two dollars and a token: five pools, of which the last is dear."""
    market = PackedMarket(most_hubs)
    market.add_nodes(np.array([1.0, 1 / 2000, 1 / 2000, 0.5]), np.array([18, 6, 6, 18], np.int32))
    nodes = np.array([[0, 1], [0, 2], [1, 2], [0, 3], [3, 1]], np.int32)
    reserves = np.array([[100, 2e5], [100, 2.05e5], [1e5, 1e5], [100, 200], [200, 2.1e5]])
    pools = market.add_products(nodes, reserves, np.full((5, 2), KEPT), np.zeros(5, np.int32))
    return market, pools


def level(rate, cap, levels=3):
    """A book's side: each level a thousandth worse."""
    return np.array([Piece(rate * (1 - 1e-3 * step), 0.0, cap) for step in range(levels)])


def off(draw, most=0.03):
    return draw(st.floats(-most, most))


@st.composite
def markets(draw, most_pools=14):
    """A market of up to seven nodes and four kinds of pool, each priced a little off; some hubs, or hardly any."""
    nodes = draw(st.integers(3, 7))
    value = np.exp(np.array([0.0, *(draw(st.floats(-6, 2)) for _ in range(nodes - 1))]))
    market = PackedMarket(draw(st.sampled_from([1, 2, 12])))
    market.add_nodes(value, np.full(nodes, 18, np.int32))
    for _ in range(draw(st.integers(2, most_pools))):
        one, other = draw(st.lists(st.integers(0, nodes - 1), min_size=2, max_size=2, unique=True))
        ends = np.array([[one, other]], np.int32)
        depth, price = draw(st.floats(0.5, 300.0)), value[one] / value[other] * np.exp(off(draw))
        kind = draw(st.integers(0, 3))
        klass = np.array([kind])
        if kind == 0:
            reserves = np.array([[depth / value[one], depth / value[one] * price]])
            market.add_products(ends, reserves, np.full((1, 2), KEPT), klass)
        elif kind == 1:
            bounds, liquidity = ranges(draw, price, depth / np.sqrt(value[one] * value[other]))
            counts = np.array([len(bounds) - 1])
            market.add_ranges(ends, counts, bounds, liquidity, np.array([np.sqrt(price)]), np.array([KEPT]), klass)
        elif kind == 2:
            sides = [level(price * KEPT, depth / value[one]), level(KEPT / price, depth / value[other])]
            market.add_pieces(ends[0], kind, sides)
        else:
            three = draw(st.permutations(range(nodes)))[:3]
            worth = {node: value[node] * np.exp(off(draw)) for node in three}
            ways = ((sold, bought) for sold in three for bought in three if sold != bought)
            sides = [level(worth[sold] / worth[bought] * KEPT, depth / value[sold]) for sold, bought in ways]
            market.add_pieces(np.array(three, np.int32), 2, sides)
    return market


def ranges(draw, price, held):
    """Bounds round a price and liquidity between them, a stretch of it perhaps empty; the price may lie outside.

    Perhaps some of it is spread over all prices there are.
    """
    count = draw(st.integers(1, 6))
    steps = np.cumsum([draw(st.floats(0.005, 0.1)) for _ in range(count + 1)])
    bounds = np.sqrt(price) * np.exp(steps - draw(st.floats(-0.01, float(steps[-1]) + 0.01)))
    liquidity = np.array([*(held * draw(st.sampled_from([0.0, 1.0, 3.0, 10.0])) for _ in range(count)), 0.0])
    if draw(st.booleans()):
        bounds = np.concatenate([[5e-20], bounds, [2e19]])
        liquidity = np.concatenate([[held], liquidity[:-1] + held, [held, 0.0]])
    return bounds, liquidity
