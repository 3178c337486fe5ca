"""How a run opens: what it knows, what that is worth, what is held, and where each strategy may look."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.config.load import load
from bot.discovery.opening import Opened
from bot.execution.marks import Marks
from bot.known import KnownPools
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Mark
from bot.market import Market
from bot.mode import Mode
from bot.opening import (
    NoPools,
    filters,
    known_pools,
    ledger_marks,
    marked_by_books,
    open_accounts,
    open_pools,
    opening_marks,
    vaults_left_out,
    wrapper_facts,
)
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.exchanges.books import Book
from chains.networks import load_network
from chains.pools.pool import PoolFacts
from chains.tools import ROOT
from tests.bot.ledger.given import ETHER, StandingClock
from tests.bot.market.samples import DAI, ETH_AT_EXCHANGE, USD_AT_EXCHANGE, USDC, WETH, market, v2
from tests.chains.pools.samples import at

TWIN = load_network("twin")
IN_ETHER = replace(TWIN, wrapped=WETH)
BNB = replace(ETH_AT_EXCHANGE, address="BNB", symbol="BNB")
OPERATOR, EXECUTOR, INVENTORY = at(1), at(2), at(3)


class TestKnownPools:
    def test_a_thousand_pools_are_known_on_the_twin_each_with_its_protocol(self) -> None:
        known = known_pools(TWIN)
        assert len(known.facts) >= 1_000
        assert {fact.address for fact in known.facts} == set(known.protocols)
        assert set(known.protocols.values()) == {"uniswap_v2", "sushi_v2", "uniswap_v3"} <= set(TWIN.factories)

    def test_named_tokens_are_the_networks_own(self) -> None:
        tokens = {token.address: token for fact in known_pools(TWIN).facts for token in fact.tokens}
        for token in TWIN.tokens.values():
            assert tokens[token.address] == token
        assert {token.place for token in tokens.values()} == {"twin"}

    def test_a_network_without_a_list_is_refused(self) -> None:
        with pytest.raises(NoPools, match=r"no pool list for network elsewhere.*write `discover = true`"):
            known_pools(replace(TWIN, name="elsewhere", chain_id=99))


class TestTheList:
    """Without discovery. No node is asked for what is left out of it."""

    async def _asked_for(self, folder: Path, pools: str, monkeypatch: pytest.MonkeyPatch) -> KnownPools:
        (folder / "isthmus.toml").write_text(
            f'network = "twin"\nstrategies = ["{ROOT}/strategies/dex_arbitrage.toml"]\n[pools]\n{pools}\n'
        )
        asked: list[KnownPools] = []

        async def market_of(network: object, node: object, head: object, known: KnownPools, *rest: object) -> Market:
            asked.append(known)
            return market()

        monkeypatch.setattr("bot.opening.open_market", market_of)
        nobody: Any = SimpleNamespace(progress=None)
        await open_pools(load(folder / "isthmus.toml"), nobody, nobody, nobody, nobody)
        return asked[0]

    async def test_what_is_denied_or_of_another_protocol_is_not_traded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        everything = {fact.venue: fact for fact in known_pools(TWIN).facts}
        listed = await self._asked_for(tmp_path, 'deny_tokens = ["USDT"]\nprotocols = ["uniswap_v2"]', monkeypatch)
        kept = {fact.venue for fact in listed.facts}
        usdt = TWIN.token("USDT").address
        for venue, protocol in known_pools(TWIN).protocols.items():
            denied = usdt in {token.address for token in everything[venue].tokens}
            assert (venue in kept) is (protocol == "uniswap_v2" and not denied)

    async def test_the_wrapped_coin_is_in_it_unless_one_of_its_two_tokens_may_not_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = await self._asked_for(tmp_path, 'protocols = ["uniswap_v2"]', monkeypatch)
        facts = listed.by_venue[TWIN.wrapped.address]
        assert (facts.family, facts.tokens) == ("wrapped_native", (TWIN.native, TWIN.wrapped))
        for pools in ('deny_tokens = ["WETH"]', 'tokens = ["USDC", "USDT"]'):
            assert TWIN.wrapped.address not in (await self._asked_for(tmp_path, pools, monkeypatch)).by_venue

    async def test_a_list_of_which_nothing_is_left_says_why(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(NoPools, match=r"passes the filters of \[pools\]"):
            await self._asked_for(tmp_path, 'tokens = ["WETH"]', monkeypatch)


def test_a_named_vault_that_is_not_traded_is_told_with_its_reason() -> None:
    traded, paused, none = at(1), at(2), at(3)
    opened = Opened(market(v2(1, WETH, USDC, (ETHER, 10**9))), (), {paused: "it is paused"}, 1)
    lines = list(vaults_left_out([traded, paused, none], opened, {none: "it names no asset"}))
    assert lines == [f"vault {paused} is left out: it is paused", f"vault {none} is left out: it names no asset"]


class OneBook:
    """An exchange with one book, around `price`; None: it is empty."""

    def __init__(self, symbol: str, price: Fraction | None) -> None:
        self.symbols = (symbol,)
        self.asked = 0
        self._price = price

    def token(self, currency: str) -> Token:
        return replace(ETH_AT_EXCHANGE, address=currency, symbol=currency)

    async def fetch_book(self, symbol: str) -> Book:
        self.asked += 1
        base, quote = map(self.token, symbol.split("/"))
        ticks = 0 if self._price is None else int(self._price * 1_000)
        return Book(
            exchange=base.place,
            symbol=symbol,
            base=base,
            quote=quote,
            bids=((ticks - 1, 10),) if ticks else (),
            asks=((ticks + 1, 10),) if ticks else (),
            tick=10**quote.decimals // 1_000,
            lot=1,
            min_amount=0,
            min_notional=0,
            taker_fee_ppm=1_000,
            nonce=1,
        )


class TestMarks:
    def test_ether_is_worth_itself_wherever_it_lies(self) -> None:
        marks = opening_marks(market(), [WETH, ETH_AT_EXCHANGE])
        assert marks.wei_per_unit == {WETH: Fraction(1), ETH_AT_EXCHANGE: Fraction(10**10)}

    def test_a_token_has_the_markets_price_in_each_of_its_places(self) -> None:
        on = market(v2(1, USDC, WETH, (2_000_000 * 10**6, 1_000 * ETHER)))
        marks = opening_marks(on, [USDC, USD_AT_EXCHANGE])
        dollar = marks.wei(USDC, 10**6)
        assert dollar == pytest.approx(ETHER / 2_000, rel=0.01)
        assert marks.wei(USD_AT_EXCHANGE, 10**8) == dollar

    def test_a_token_without_a_price_has_no_mark(self) -> None:
        assert opening_marks(market(), [DAI, WETH]).wei_per_unit.keys() == {WETH}

    async def test_a_currency_that_no_pool_prices_has_the_mark_of_its_book(self) -> None:
        marks = opening_marks(market(), [WETH, ETH_AT_EXCHANGE, BNB])
        assert BNB not in marks.wei_per_unit
        for symbol, price in (("BNB/ETH", Fraction(1, 5)), ("ETH/BNB", Fraction(5))):
            told = await marked_by_books(marks, [OneBook(symbol, price)])
            assert told.wei_per_unit == {**marks.wei_per_unit, BNB: Fraction(10**10, 5)}
        assert await marked_by_books(marks, [OneBook("BNB/ETH", None)]) == marks
        assert await marked_by_books(marks, [OneBook("BNB/SOL", Fraction(1))]) == marks

    async def test_what_pools_price_is_not_asked_of_an_exchange(self) -> None:
        marks = Marks({ETH_AT_EXCHANGE: Fraction(10**10), USD_AT_EXCHANGE: Fraction(5 * 10**6)})
        exchange = OneBook("ETH/USDT", Fraction(2_000))
        assert (await marked_by_books(marks, [exchange]), exchange.asked) == (marks, 0)

    def test_the_ledger_keeps_the_same_fractions(self) -> None:
        on = market(v2(1, USDC, WETH, (2_000_000 * 10**6, 1_000 * ETHER)))
        marks = opening_marks(on, [USDC, WETH])
        kept = {(mark.place, mark.token): mark.wei_per_unit for mark in ledger_marks(marks, IN_ETHER)}
        assert kept == {(token.place, token.address): worth for token, worth in marks.wei_per_unit.items()}

    def test_the_ledger_keeps_the_mark_of_a_coin_that_is_not_ether(self) -> None:
        polygon = load_network("polygon")
        marks = Marks({polygon.wrapped: Fraction(1, 5000)})
        assert ledger_marks(marks, polygon) == [
            Mark("polygon", polygon.wrapped.address, Fraction(1, 5000)),
            Mark("polygon", ZERO_ADDRESS, Fraction(1, 5000)),
        ]


class Chain:
    """Balances of the chain; counts what it is asked."""

    asked = 0

    async def balance(self, account: Address) -> int:
        self.asked += 1
        return 7 * ETHER

    async def call(self, to: Address, data: bytes) -> bytes:
        self.asked += 1
        return (11).to_bytes(32, "big")


class Exchange:
    asked = 0

    async def balances(self) -> dict[str, int]:
        self.asked += 1
        return {"ETH": 5}


class TestAccounts:
    @staticmethod
    async def _open(ledger: Ledger, chain: Chain, exchange: Exchange) -> None:
        await open_accounts(
            ledger,
            TWIN,
            chain,
            {"binance": exchange},
            operators=[OPERATOR],
            holders={EXECUTOR: [WETH], INVENTORY: [WETH, USDC]},
            currencies=[ETH_AT_EXCHANGE, USD_AT_EXCHANGE],
        )

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        ledger = Ledger.open(str(tmp_path / "ledger.db"), StandingClock())
        ledger.start_run(Mode.LIVE, "twin", 31337, 1, "digest", "instance")
        return ledger

    async def test_every_account_opens_with_what_it_holds_nothing_included(self, ledger: Ledger) -> None:
        await self._open(ledger, Chain(), Exchange())
        assert ledger.accounts() == {
            Account("twin", OPERATOR, ZERO_ADDRESS): 7 * ETHER,
            Account("twin", EXECUTOR, WETH.address): 11,
            Account("twin", INVENTORY, WETH.address): 11,
            Account("twin", INVENTORY, USDC.address): 11,
            Account("binance", "binance", "ETH"): 5,
            Account("binance", "binance", "USDT"): 0,
        }

    async def test_what_the_ledger_knows_already_is_not_opened_anew(self, ledger: Ledger) -> None:
        """After a crash the chain may hold what the ledger has not booked yet: the difference must not vanish."""
        await self._open(ledger, Chain(), Exchange())
        chain, exchange = Chain(), Exchange()
        await self._open(ledger, chain, exchange)
        assert (chain.asked, exchange.asked) == (0, 0)


class TestFilters:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    def _filter(
        self, folder: Path, tokens: str, venues: str, kinds: str = "[]", known: Address | None = None
    ) -> object:
        strategy = (
            'strategy = "strategies.dex_arbitrage:DexArbitrage"\n[budget]\ncapital = "5 ETH"\nper_trade = "0.5 ETH"\n'
            'hour_loss = "1 ETH"\nday_loss = "2 ETH"\ngas_day = "5 ETH"\ndrawdown = "1 ETH"\n'
            f"[filter]\ntokens = {tokens}\nvenues = {venues}\nkinds = {kinds}\n"
        )
        (folder / "dex.toml").write_text(strategy)
        (folder / "isthmus.toml").write_text(
            'network = "twin"\nstrategies = ["dex.toml"]\n[[exchanges]]\nname = "binance"\nsymbols = ["ETH/USDT"]\n'
        )
        loaded = load(folder / "isthmus.toml")
        pools = known_pools(loaded.network)
        pools.add(wrapper_facts(loaded.network), "wrapped_native")
        if known is not None:
            share = Token(loaded.network.name, known, "V", 18)
            pools.add(PoolFacts("erc4626", known, (loaded.network.token("WETH"), share), 0), "erc4626")
        return filters(loaded.config.strategies, loaded.network, pools).get("dex")

    def test_empty_lists_are_no_filter(self, folder: Path) -> None:
        assert self._filter(folder, "[]", "[]") is None

    def test_a_pool_counts_as_its_protocol_and_a_book_as_its_exchange(self, folder: Path) -> None:
        allowed = self._filter(folder, "[]", '["uniswap_v3", "binance"]')
        known = known_pools(TWIN)
        weth = TWIN.token("WETH")
        assert callable(allowed)
        for pool, protocol in list(known.protocols.items())[:200]:
            assert allowed(pool, weth) is (protocol == "uniswap_v3")
        assert allowed("binance:ETH/USDT", weth) and not allowed("kraken:ETH/USDT", weth)

    def test_coins_are_wrapped_whatever_protocols_are_named(self, folder: Path) -> None:
        allowed, kinds = self._filter(folder, "[]", '["uniswap_v2"]'), self._filter(folder, "[]", "[]", '["pool"]')
        assert callable(allowed) and callable(kinds)
        wrapper = TWIN.wrapped.address
        assert allowed(wrapper, TWIN.native) and not kinds(wrapper, TWIN.native)

    def test_whatever_can_be_discovered_can_be_named(self, folder: Path) -> None:
        vault = at(0x4626)
        allowed = self._filter(folder, "[]", '["uniswap_v2", "erc4626", "aave_v3"]', known=vault)
        assert callable(allowed) and allowed(vault, TWIN.token("WETH"))

    def test_a_token_counts_as_its_asset_in_every_place(self, folder: Path) -> None:
        allowed = self._filter(folder, '["WETH", "USDC"]', "[]")
        assert callable(allowed)
        assert allowed("anything", TWIN.token("WETH")) and allowed("binance:ETH/USDT", ETH_AT_EXCHANGE)
        assert allowed("anything", TWIN.token("USDC")) and not allowed("anything", TWIN.token("DAI"))

    def test_a_venue_counts_as_its_kind(self, folder: Path) -> None:
        known = known_pools(TWIN)
        pool, weth, transfer = known.facts[0].venue, TWIN.token("WETH"), "binance:ETH>twin:ETH"
        books, transfers = (self._filter(folder, "[]", "[]", f'["{kind}"]') for kind in ("book", "transfer"))
        assert callable(books) and callable(transfers)
        assert books("binance:ETH/USDT", weth) and not books(pool, weth) and not books(transfer, weth)
        assert transfers(transfer, weth) and not transfers(pool, weth) and not transfers("binance:ETH/USDT", weth)
