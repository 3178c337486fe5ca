"""What tokens count for in the packed market: a scale for trade sizes, told by all that trade them, wide ones most."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from operator import itemgetter

from bot.market.graph import Edge, Graph
from bot.market.prices import leaving, opposite


def values_from(
    graph: Graph, depth_of: Callable[[Edge], float], unit: int
) -> tuple[dict[int, float], dict[int, float]]:
    """How wide the widest path from node `unit` is, and whole units of it per whole unit of each node that one joins.

    Of the prices that paths tell, each counted by how wide it is, the middle one: what a few drained or displaced pools
    say moves it little. The hops of a token whose value is far off would be looked at for sizes that do not match.
    """
    widths, prices = {unit: math.inf}, {unit: 1.0}
    told: dict[int, list[tuple[float, float]]] = {}
    settled: set[int] = set()
    queue = [(-math.inf, unit)]
    while queue:
        _, node = heapq.heappop(queue)
        if node in settled:
            continue
        settled.add(node)
        prices[node] = middle(told.pop(node, ()))
        for edge in leaving(graph, node):
            back = opposite(graph, edge)
            if edge.target in settled or not graph.rate[edge.id] or not graph.rate[back.id]:
                continue
            width = min(widths[node], depth_of(edge) * prices[node])
            price = prices[node] * math.sqrt(graph.rate[back.id] / graph.rate[edge.id])
            told.setdefault(edge.target, []).append((width, price))
            if width > widths.get(edge.target, 0.0):
                widths[edge.target] = width
                heapq.heappush(queue, (-width, edge.target))
    return widths, {node: prices[node] for node in settled}


def middle(told: Sequence[tuple[float, float]]) -> float:
    """The price up to which the prices of (width, price) make up half of all width; 1.0 where nothing is told."""
    half, reached = sum(width for width, _ in told) / 2.0, 0.0
    ascending = sorted(told, key=itemgetter(1))
    for width, price in ascending:
        reached += width
        if reached >= half:
            return price
    return ascending[-1][1] if ascending else 1.0
