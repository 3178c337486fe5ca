"""How a run opens: the pools it knows, what everything is worth, and what is held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from bot.balances import at_exchanges, on_chain
from bot.config.load import Loaded
from bot.config.options import Reporter
from bot.config.strategies import StrategyConfig
from bot.discovery.filters import Filters
from bot.discovery.opening import Opened
from bot.discovery.start import open_discoverer
from bot.discovery.store import KnownPool
from bot.discovery.watch import PoolWatch
from bot.drift.chain import PoolReader
from bot.drift.codebook import CodeBook
from bot.drift.policy import AuditPolicy
from bot.drift.upkeep import Upkeeping
from bot.exactness import PROOFS, Proof, proofs_with, proven, proven_pool
from bot.execution.marks import Marks
from bot.gas import ETHER
from bot.known import KnownPools
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Mark
from bot.market import EdgeKind, Market
from bot.market.kinds import kind_of
from bot.market.loader import load_pools
from bot.turns import Turns
from chains.assets import ETH, Address, Token
from chains.blocks import Head
from chains.discovery.registries import WRAPPER
from chains.exchanges.books import Book
from chains.networks import Network
from chains.node import Node
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.extension import families_with
from chains.pools.pool import PoolFacts
from chains.pools.registry import FAMILIES
from chains.pools.registry import Family as PoolFamily
from chains.twin.data import Family, snapshot

MAINNET_POOLS = frozenset({1, 31337})
"""Chain ids on which the recorded mainnet pools lie at their addresses."""

_FAMILY: Mapping[Family, str] = {
    Family.UNISWAP_V2: ConstantProductPool.family,
    Family.SUSHI_V2: ConstantProductPool.family,
    Family.UNISWAP_V3: ConcentratedPool.family,
}


class NoPools(RuntimeError):
    """A network without a pool list, or a node on which none of it exists."""


def known_pools(network: Network, proofs: Sequence[Proof] = PROOFS) -> KnownPools:
    """The pools known by address on `network`, of families whose mathematics is proven. Raises `NoPools`."""
    if network.chain_id not in MAINNET_POOLS:
        remedy = "write `discover = true` under [pools], or for a snapshot name a --store"
        raise NoPools(f"no pool list for network {network.name}, only Ethereum's comes with Isthmus; {remedy}")
    recorded = snapshot()

    def token(at: Address) -> Token:
        row = recorded.tokens[at]
        return Token(network.name, row.address, row.symbol, row.decimals)

    named = {Address(token.address): token for token in network.tokens.values()}
    facts = tuple(
        PoolFacts(
            _FAMILY[pool.family],
            pool.address,
            tuple(named.get(at) or token(at) for at in pool.tokens),
            pool.fee_ppm,
        )
        for pool in recorded.pools
        if proven(_FAMILY[pool.family], proofs)
    )
    return KnownPools(facts, {pool.address: pool.family.value for pool in recorded.pools})


async def open_market(
    network: Network,
    node: Node,
    head: Head,
    known: KnownPools,
    progress: Callable[[str, int, int], None],
    families: Mapping[str, PoolFamily] = FAMILIES,
    proofs: Sequence[Proof] = PROOFS,
) -> Market:
    """The market as of `head`, without pools of a kind that is not proven.

    Raises `NoPools`, `LoadFailed`, `Unreachable`.
    """
    done = 0
    expected = sum(1 if fact.family == ConstantProductPool.family else 8 for fact in known.facts)

    def told(answered: int) -> None:
        nonlocal done
        done += answered
        progress("loading pools", min(done, expected - 1), expected)

    loaded = await load_pools(node, known.facts, head.hash, told, families)
    progress("loading pools", expected, expected)
    if not loaded.pools:
        raise NoPools(f"none of {len(known.facts)} known pools exists on {network.name}; is this the right node?")
    market = Market(network.assets)
    for pool in loaded.pools:
        if proven_pool(pool, proofs):
            market.add_pool(pool, head.number)
    return market


@dataclass(frozen=True, slots=True)
class OpenedPools:
    """The pools a run begins with. `watch`, where pools are discovered, sees those that are made later."""

    known: KnownPools
    market: Market
    watch: PoolWatch | None = None


async def open_pools(loaded: Loaded, node: Node, head: Head, out: Reporter, stack: AsyncExitStack) -> OpenedPools:
    """The market as of `head`: discovered, or the list that comes with Isthmus.

    Raises `NoPools`, `LoadFailed`, `DiscoveryError`, `NodeError`, `UnreadableCodeBook`.
    """
    config, network = loaded.config, loaded.network
    families, proofs = families_with(config.families), proofs_with(config.families)
    if not config.pools.discover:
        permitted = Filters(config.pools, network, proofs)
        listed = _permitted(known_pools(network, proofs), permitted)
        if not listed.facts:
            raise NoPools(f"no pool of the list of {network.name} passes the filters of [pools]")
        wraps = wrapper_facts(network)
        if permitted.by_facts(KnownPool(wraps, WRAPPER, 0, None)) is None:
            listed.add(wraps, WRAPPER)
        return OpenedPools(listed, await open_market(network, node, head, listed, out.progress, families, proofs))
    found = await open_discoverer(config.pools, network, node, families=families, proofs=proofs)
    stack.enter_context(found)
    await found.discovery.advance(head, out.progress)
    opened = await found.book.open(head, out.progress)
    if all(pool.facts.family == WRAPPER for pool in opened.kept):
        raise NoPools(f"no pool of {network.name} passes the filters of [pools]; `isthmus discover` says why of each")
    for line in vaults_left_out(config.pools.vaults, opened, found.store.refusals()):
        out.line(line)
    codes = CodeBook(config.pools.folder / f"{network.name}.code.json", families)
    changed = await codes.changed(opened.market.pools.values(), node.request, head)
    for venue, why in changed.items():
        opened.market.remove(venue, why, until_read=True)
        out.line(f"pool {venue} is left out: {why}")
    out.line(
        f"pools: {len(opened.market.pools)} in the market, {len(opened.left_out)} left out, {opened.loaded} read anew"
    )
    known = KnownPools((pool.facts for pool in opened.kept), {pool.facts.venue: pool.protocol for pool in opened.kept})
    watch = PoolWatch(
        opened.market,
        node,
        found.store,
        found.discovery,
        found.filters,
        head,
        save_blocks=config.pools.save_blocks,
        welcome=known.add,
        told=out.line,
    )
    stack.push_async_callback(watch.close)
    return OpenedPools(known, opened.market, watch)


def wrapper_facts(network: Network) -> PoolFacts:
    """The wrapped coin of `network`, as a pool of the coin and itself."""
    return PoolFacts(WRAPPER, Address(network.wrapped.address), (network.native, network.wrapped), 0)


def _permitted(known: KnownPools, filters: Filters) -> KnownPools:
    """Those that `filters` leave in, by what is known of them without their state."""
    protocols = known.protocols
    pools = (KnownPool(facts, protocols[facts.venue], 0, None) for facts in known.facts)
    return KnownPools((pool.facts for pool in pools if filters.by_facts(pool) is None), protocols)


def vaults_left_out(vaults: Iterable[Address], opened: Opened, refusals: Mapping[str, str]) -> Iterator[str]:
    """Which of the named vaults are not traded through, and why."""
    for at in vaults:
        why = opened.left_out.get(at) or refusals.get(at)
        if at not in opened.market.pools and why is not None:
            yield f"vault {at} is left out: {why}"


def upkeeping(
    node: Node,
    known: KnownPools,
    policy: AuditPolicy,
    families: Mapping[str, PoolFamily] = FAMILIES,
    turns: Turns | None = None,
) -> Upkeeping:
    """How the known pools are kept true: read again where they must be, and compared with the chain."""
    return Upkeeping(PoolReader(node, known.by_venue, families, turns), policy)


def filters(
    strategies: Iterable[StrategyConfig], network: Network, known: KnownPools
) -> dict[str, Callable[[str, Token], bool]]:
    """Where each strategy with a filter may look: its protocols and exchanges, its kinds of venue, its tokens and their
    assets."""
    return {
        strategy.name: _filter(strategy, network, known)
        for strategy in strategies
        if strategy.filter.tokens or strategy.filter.venues or strategy.filter.kinds
    }


def _filter(strategy: StrategyConfig, network: Network, known: KnownPools) -> Callable[[str, Token], bool]:
    venues, kinds = frozenset(strategy.filter.venues), frozenset(strategy.filter.kinds)
    named = [network.tokens.get(name) for name in strategy.filter.tokens]
    assets = frozenset(network.assets.of(token) for token in named if token is not None)
    addresses = frozenset(strategy.filter.tokens)

    def allowed(venue: str, token: Token) -> bool:
        kind = _kind(venue, known)
        if kinds and kind not in kinds:
            return False
        named = known.protocols.get(venue, venue.split(":")[0])
        if venues and kind != EdgeKind.TRANSFER and named != WRAPPER and named not in venues:
            return False
        return not addresses or token.address in addresses or network.assets.of(token) in assets

    return allowed


def _kind(venue: str, known: KnownPools) -> EdgeKind:
    """What kind of venue has that name."""
    facts = known.by_venue.get(venue)
    if facts is not None:
        return kind_of(facts.family)
    return EdgeKind.TRANSFER if ">" in venue else EdgeKind.BOOK if ":" in venue else EdgeKind.POOL


def opening_marks(market: Market, tokens: Iterable[Token]) -> Marks:
    """What each token is worth in wei of ETH at the market's prices now; ETH's own tokens exactly their amount.

    Tokens without a price stay without a mark, so that nothing is spent on them.
    """
    marks: dict[Token, Fraction] = {}
    for token in tokens:
        asset = market.graph.assets.of(token)
        if asset == ETH:
            marks[token] = Fraction(10**18, 10**token.decimals)
            continue
        price = market.price(asset, in_=ETH)
        if math.isfinite(price) and price > 0:
            marks[token] = Fraction(price) * Fraction(10**18, 10**token.decimals)
    return Marks(marks)


class Quoting(Protocol):
    """The part of an exchange that tells what a currency of its own is worth: `chains.exchanges.adapter.Exchange`."""

    symbols: tuple[str, ...]

    def token(self, currency: str) -> Token: ...

    async def fetch_book(self, symbol: str) -> Book: ...


async def marked_by_books(marks: Marks, exchanges: Iterable[Quoting]) -> Marks:
    """`marks`, and those of currencies without one at the middle of a watched book against one that has it.

    What an exchange takes as a fee in such a currency, as Binance does BNB, is a cost then. Raises
    `ExchangeUnavailable`.
    """
    known = dict(marks.wei_per_unit)
    for exchange in exchanges:
        for symbol in exchange.symbols:
            base, quote = (exchange.token(code) for code in symbol.split(":")[0].split("/"))
            if (base in known) == (quote in known):
                continue
            book = await exchange.fetch_book(symbol)
            if book.best_bid is None or book.best_ask is None or book.is_crossed:
                continue
            price = Fraction(book.best_bid + book.best_ask) / 2 * Fraction(10**quote.decimals, 10**base.decimals)
            known |= {base: known[quote] * price} if quote in known else {quote: known[base] / price}
    return Marks(known)


def ledger_marks(marks: Marks, network: Network) -> list[Mark]:
    """The same, as the ledger keeps them; with the coin of `network`, where that is not ETH. Raises `NoMark`."""
    kept = [Mark(token.place, token.address, worth) for token, worth in marks.wei_per_unit.items()]
    coin = marks.gas_coin(network.wrapped)
    return kept if coin == ETHER else [*kept, Mark(network.native.place, network.native.address, coin.mark)]


async def open_accounts(
    ledger: Ledger,
    network: Network,
    chain: object,
    exchanges: Mapping[str, object],
    *,
    operators: Iterable[Address],
    holders: Mapping[Address, Iterable[Token]],
    currencies: Iterable[Token],
) -> None:
    """Book what every account holds now: the operators' native coins, contracts' tokens, exchange balances."""
    ask_chain, ask_exchange = on_chain(chain), at_exchanges(exchanges)  # type: ignore[arg-type]
    known = ledger.accounts()
    accounts = [Account.native(network.name, operator) for operator in operators]
    accounts += [Account.of(holder, token) for holder, tokens in holders.items() for token in tokens]
    for account in accounts:
        if account not in known:
            ledger.open_account(account, await ask_chain(account))
    for currency in currencies:
        account = Account.of(currency.place, currency)
        if account not in known:
            ledger.open_account(account, await ask_exchange(account))
