"""What tokens count for in the packed market: a scale for trade sizes, told by the widest paths and never too high."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

from bot.market.graph import Edge, Graph
from bot.market.prices import leaving, opposite

WIDE_ENOUGH = 0.1
"""A path counts if it is this part as wide as the widest to the same node."""


def values_from(graph: Graph, depth_of: Callable[[Edge], float], unit: int) -> dict[int, float]:
    """Whole units of node `unit` per whole unit of each node that a path joins to it.

    Of prices that come by paths about as wide as the widest, the lowest: a value that is too low only shifts the sizes
    that a walk is looked at; with one that is too high whole base units would seem too coarse to look at all.
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
        least = WIDE_ENOUGH * widths[node]
        prices[node] = min((price for width, price in told.pop(node, ()) if width >= least), default=1.0)
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
    return {node: prices[node] for node in settled}
