"""Reference prices: through the deepest venues, so that a thin or displaced pool does not set them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator

from bot.market.graph import Edge, Graph


def reference_price(graph: Graph, depth_of: Callable[[Edge], float], asset: int, in_: int) -> float:
    """Whole units of node `in_` per whole unit of node `asset`; NaN where no path joins them.

    `depth_of` gives how much input an edge takes before its price gives way. Follows the path whose shallowest
    venue is deepest, measured in `in_`, and takes mid prices along it: the
    geometric mean of a venue's two directions, in which fees and half the spread cancel.
    """
    _, prices = widest_paths(graph, depth_of, in_, asset)
    return prices.get(asset, math.nan)


def widest_paths(
    graph: Graph, depth_of: Callable[[Edge], float], in_: int, until: int | None = None
) -> tuple[dict[int, float], dict[int, float]]:
    """How wide the widest path from node `in_` is, in units of it, and what it prices a unit at; by node.

    Behind a shallow venue many paths are as wide: the one with the deepest last venue tells. With `until`, only as far
    as that node, and without what leads there less wide than is known already.
    """
    widths, prices, rates = {in_: math.inf}, {in_: 1.0}, graph.rate
    lasts: dict[int, float] = {}
    settled: set[int] = set()
    queue = [(-math.inf, -math.inf, in_)]
    while queue:
        _, _, node = heapq.heappop(queue)
        if node == until:
            break
        if node in settled:
            continue
        settled.add(node)
        widest, price = widths[node], prices[node]
        for edge in leaving(graph, node, until):
            target, rate = edge.target, rates[edge.id]
            if target in settled or not rate:
                continue
            known = max(widths.get(target, 0.0), widths.get(until, 0.0) if until is not None else 0.0)
            if known > widest:
                continue
            last = depth_of(edge) * price
            width = min(widest, last)
            if width < known or (width == known and last <= lasts.get(target, 0.0)):
                continue
            back = rates[opposite(graph, edge).id]
            if back:
                widths[target], lasts[target], prices[target] = width, last, price * math.sqrt(back / rate)
                heapq.heappush(queue, (-width, -last, target))
    return widths, prices


def leaving(graph: Graph, node: int, until: int | None = None) -> Iterator[Edge]:
    """Edges out of `node`; on the way to one node those to it first, and none to dead ends."""
    both = (graph.pools, graph.books)
    if until is None:
        for neighbours in both:
            for numbers in neighbours.out.get(node, {}).values():
                yield from map(graph.edge, numbers)
        return
    for neighbours in both:
        yield from map(graph.edge, neighbours.out.get(node, {}).get(until, ()))
    yield from map(graph.edge, graph.inner(node))


def opposite(graph: Graph, edge: Edge) -> Edge:
    """The same venue's edge the other way."""
    ends = edge.token_out, edge.token_in
    return next(other for other in graph.edges_of(edge.venue) if (other.token_in, other.token_out) == ends)
