"""Closed walks of two and three hops through what changed, screened by the product of their rates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.market.graph import Edge, Graph

Walk = tuple[Edge, ...]


def on_chain_walks(graph: Graph, changed: Iterable[Edge], start: int, max_hops: int, min_rate: float) -> Iterator[Walk]:
    """Every closed walk of pools through node `start` and at least one changed edge, begun at `start`, once each.

    No pool twice, token to token, and the product of its rates above `min_rate`.
    """
    seen: set[tuple[int, ...]] = set()
    for edge in changed:
        if edge.is_book or not graph.rate[edge.id]:
            continue
        for walk in _closing(graph, edge, start, max_hops, min_rate):
            turned = _rotated(walk, start)
            key = tuple(step.id for step in turned)
            if key not in seen:
                seen.add(key)
                yield turned


def one_book_walks(graph: Graph, changed: Iterable[Edge], max_hops: int, min_rate: float) -> Iterator[Walk]:
    """Every closed walk of one order book and one or more pools through a changed edge, the book last, once each."""
    seen: set[tuple[int, ...]] = set()
    for edge in changed:
        if not graph.rate[edge.id]:
            continue
        for walk in _closing_with_book(graph, edge, max_hops, min_rate):
            book = next(index for index, step in enumerate(walk) if step.is_book)
            turned = walk[book + 1 :] + walk[: book + 1]
            key = tuple(step.id for step in turned)
            if key not in seen:
                seen.add(key)
                yield turned


def _closing(graph: Graph, first: Edge, start: int, max_hops: int, min_rate: float) -> Iterator[Walk]:
    """Walks that begin with `first`, pools only, and pass `start`."""
    ends = (first.source, first.target)
    pools = graph.pools
    if start in ends:
        yield from _two(graph, first, pools.between(first.target, first.source), min_rate)
    if max_hops < 3:
        return
    middles: Iterable[int] = pools.bridging(first.target, first.source) if start in ends else (start,)
    for middle in middles:
        if middle not in ends:
            seconds = pools.between(first.target, middle)
            yield from _three(graph, first, seconds, pools.between(middle, first.source), min_rate)


def _closing_with_book(graph: Graph, first: Edge, max_hops: int, min_rate: float) -> Iterator[Walk]:
    """Walks that begin with `first` and hold exactly one book."""
    pools, books = graph.pools, graph.books
    source, target = first.source, first.target
    if first.is_book:
        yield from _two(graph, first, pools.between(target, source), min_rate)
        if max_hops >= 3:
            for middle in pools.bridging(target, source):
                if middle not in (source, target):
                    seconds, thirds = pools.between(target, middle), pools.between(middle, source)
                    yield from _three(graph, first, seconds, thirds, min_rate)
        return
    yield from _two(graph, first, books.between(target, source), min_rate)
    if max_hops < 3:
        return
    for middle, thirds in books.into.get(source, {}).items():
        if middle != target:
            yield from _three(graph, first, pools.between(target, middle), thirds, min_rate)
    for middle, seconds in books.out.get(target, {}).items():
        if middle != source:
            yield from _three(graph, first, seconds, pools.between(middle, source), min_rate)


def _two(graph: Graph, first: Edge, seconds: Iterable[int], min_rate: float) -> Iterator[Walk]:
    needed = min_rate / graph.rate[first.id]
    for number in seconds:
        if graph.rate[number] > needed:
            second = graph.edge(number)
            if _follows(first, second) and _follows(second, first):
                yield first, second


def _three(graph: Graph, first: Edge, seconds: Iterable[int], thirds: Iterable[int], min_rate: float) -> Iterator[Walk]:
    rate = graph.rate
    needed = min_rate / rate[first.id]
    best_third = max((rate[number] for number in thirds), default=0.0)
    for number in seconds:
        if rate[number] * best_third <= needed:
            continue
        second = graph.edge(number)
        if not _follows(first, second):
            continue
        for last in thirds:
            if rate[number] * rate[last] > needed:
                third = graph.edge(last)
                if third.venue != first.venue and _follows(second, third) and _follows(third, first):
                    yield first, second, third


def _follows(one: Edge, other: Edge) -> bool:
    """Whether `other` can take what `one` gives: between two pools the very same token, and never the same venue."""
    return one.venue != other.venue and (one.is_book or other.is_book or one.token_out == other.token_in)


def _rotated(walk: Walk, start: int) -> Walk:
    at = next(index for index, edge in enumerate(walk) if edge.source == start)
    return walk[at:] + walk[:at]
