"""The search finds every closed walk that a search without any cleverness finds."""

import itertools
import random

import pytest

from bot.market.walks import on_chain_walks, one_book_walks
from tests.bot.market.samples import ETH, ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WBTC, WETH, book, market, v2
from tests.chains.pools.samples import token

EVERYTHING = 1e-30


def random_market(rng, with_book):
    tokens = [WETH, USDC, WBTC, *(token(number) for number in range(20, 24))]
    pools = [
        v2(number, *rng.sample(tokens, 2), (rng.randint(10**6, 10**9), rng.randint(10**6, 10**9)))
        for number in range(100, 118)
    ]
    return market(*pools, *([book([("1900", "1")], [("1901", "1")])] if with_book else []))


def all_edges(graph):
    return [edge for edge in graph.edges if edge is not None]


def closed(walk):
    pairs = zip(walk, walk[1:] + walk[:1], strict=True)
    joined = all(
        one.target == other.source and (one.is_book or other.is_book or one.token_out == other.token_in)
        for one, other in pairs
    )
    venues = {edge.venue for edge in walk}
    nodes = {edge.source for edge in walk}
    return joined and len(venues) == len(walk) == len(nodes)


def by_brute_force(graph, changed, max_hops, books, start=None):
    found = set()
    for hops in range(2, max_hops + 1):
        for walk in itertools.permutations(all_edges(graph), hops):
            if not closed(walk) or sum(edge.is_book for edge in walk) != books:
                continue
            if not any(edge in changed for edge in walk):
                continue
            if books == 0 and walk[0].source != start:
                continue
            if books == 1 and not walk[-1].is_book:
                continue
            found.add(tuple(edge.id for edge in walk))
    return found


def ids(walks):
    listed = [tuple(edge.id for edge in walk) for walk in walks]
    assert len(set(listed)) == len(listed), "a walk came twice"
    return set(listed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("max_hops", [2, 3])
def test_every_walk_of_pools_through_a_change_is_found_once(seed, max_hops):
    rng = random.Random(seed)
    graph = random_market(rng, with_book=False).graph
    start = graph.find(ETH)
    changed = rng.sample(all_edges(graph), 8)
    expected = by_brute_force(graph, changed, max_hops, 0, start)
    assert ids(on_chain_walks(graph, changed, start, max_hops, EVERYTHING)) == expected
    assert expected or max_hops == 2


@pytest.mark.parametrize("seed", range(3))
def test_every_walk_with_one_book_through_a_change_is_found_once(seed):
    rng = random.Random(seed)
    graph = random_market(rng, with_book=True).graph
    book_edges = [edge for edge in all_edges(graph) if edge.is_book]
    for changed in (rng.sample(all_edges(graph), 8), book_edges):
        expected = by_brute_force(graph, changed, 3, 1)
        assert ids(one_book_walks(graph, changed, 3, EVERYTHING)) == expected
    assert expected


def test_the_screen_keeps_exactly_the_walks_above_the_rate():
    graph = random_market(random.Random(5), with_book=False).graph
    start = graph.find(ETH)
    walks = list(on_chain_walks(graph, all_edges(graph), start, 3, EVERYTHING))

    def product(walk):
        rate = 1.0
        for edge in walk:
            rate *= graph.rates[edge.id]
        return rate

    for least in (0.5, 1.0, 2.0):
        kept = list(on_chain_walks(graph, all_edges(graph), start, 3, least))
        assert {tuple(e.id for e in w) for w in kept} == {tuple(e.id for e in w) for w in walks if product(w) > least}


def test_two_pools_meet_only_in_the_very_same_token():
    twin_dollar = token(0xD2, "USDbC", 6)
    graph = market(v2(1, WETH, USDC, (10**9, 10**9)), v2(2, WETH, twin_dollar, (10**9, 10**9))).graph
    assert not ids(on_chain_walks(graph, all_edges(graph), graph.find(ETH), 3, EVERYTHING))


def test_a_book_meets_pools_by_asset():
    graph = market(v2(1, WETH, USDC, (10**9, 10**9)), book([("1900", "1")], [("1901", "1")])).graph
    walks = list(one_book_walks(graph, all_edges(graph), 2, EVERYTHING))
    assert {(walk[0].token_out, walk[1].token_in) for walk in walks} == {
        (USDC, USD_AT_EXCHANGE),
        (WETH, ETH_AT_EXCHANGE),
    }
