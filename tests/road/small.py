"""A small real chain and the whole road upon it: real bytecode, real simulator, signer process, ledger and executor.

Only the order books and the account at the exchange are not somebody else's: the books are given, and the paper
exchange fills orders against them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bot.balances import at_exchanges, on_chain
from bot.clock import SystemClock
from bot.config.load import Loaded, load
from bot.drift.policy import AuditPolicy
from bot.engine import Engine
from bot.execution.debts import HedgePolicy
from bot.execution.fees import FeePolicy
from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.execution.marks import Marks
from bot.execution.transactions import Identity, TransactionDesk
from bot.gas import ETHER as ETHER_COIN
from bot.gas import GasCoin
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import Reconciliation, reconcile
from bot.market import Market
from bot.market.books import book_id
from bot.mode import Mode
from bot.opening import KnownPools, ledger_marks, open_accounts, opening_marks, upkeeping
from bot.permissions import budgets, signer_policy
from bot.risk.guard import Guard
from bot.road import Road
from bot.signer.client import SignerClient
from bot.signer.keystore import seal
from bot.simulator import Simulator
from bot.strategy import Strategy
from bot.world.ground import LiveGround, ask_ahead
from chains.anvil import Anvil
from chains.assets import Token
from chains.blocks import ChainEvent, Undone
from chains.exchanges.books import Book
from chains.exchanges.paper import PaperExchange
from chains.node import EndpointSettings, Node
from chains.pools.pool import PoolFacts
from chains.pools.registry import TOPICS
from chains.tools import ROOT
from tests.chains.pools.contracts import ANVIL_ARGUMENTS, call_data
from tests.contracts import market as contracts
from tests.contracts.market import OPERATOR
from tests.road.scenario import BookGiven, Scenario, SwapGiven, units
from tests.told import Told

GWEI = 10**9
PASSPHRASE = "correct horse"
EXCHANGE_FEE_PPM = 230
ETH = Token("binance", "ETH", "ETH", 8)
USDT = Token("binance", "USDT", "USDT", 8)
AT_EXCHANGE = {"ETH": 100 * 10**8, "USDT": 200_000 * 10**8}
_OPERATOR_SECRET = b"\x02" * 32
_MINER_ETHER = 10**24
_TAXED_TOKEN = ROOT / "contracts/out/Tokens.sol/TaxedToken.json"

_NETWORK = """\
inherits = "twin"
[tokens]
WETH = {{ address = "{weth}", decimals = 18 }}
DAI = {{ address = "{dai}", decimals = 18 }}
[assets]
USDT = ["USDT"]
DAI = ["DAI", "binance:USDT"]
"""

_OTHER_COIN = """\
inherits = "twin"
native = {{ symbol = "POL", decimals = 18 }}
wrapped = "WPOL"
[tokens]
WETH = {{ address = "{weth}", decimals = 18 }}
DAI = {{ address = "{dai}", decimals = 18 }}
WPOL = {{ address = "0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270", decimals = 18 }}
[assets]
ETH = ["WETH", "binance:ETH"]
POL = ["POL", "WPOL"]
USDT = ["USDT"]
DAI = ["DAI", "binance:USDT"]
"""
"""The same network with its gas in another coin, which nothing trades there."""

_RUN = """\
network = "anvil.toml"
strategies = [{strategies}]
[node]
endpoints = ["{ws_url}"]
[[exchanges]]
name = "binance"
symbols = ["ETH/USDT"]
[executor]
address = "{executor}"
profit_tokens = ["WETH"]
inventory_caps = ["10 WETH", "10 DAI"]
[ledger]
folder = "runs"
[signer]
keystore = "operator.json"
"""

_BUDGET = {
    "capital": "100 ETH",
    "per_trade": "30 ETH",
    "hour_loss": "30 ETH",
    "day_loss": "40 ETH",
    "gas_day": "5 ETH",
    "drawdown": "2 ETH",
}


@dataclass(slots=True)
class SmallRoad:
    """The road, wired; `step` moves it by a block."""

    scenario: Scenario
    chain: contracts.Market
    pools: Mapping[str, PoolFacts]
    ledger: Ledger
    road: Road
    engine: Engine
    output: Told
    exchange: PaperExchange
    node: Node
    signer: SignerClient
    events: AsyncGenerator[ChainEvent]

    @property
    def anvil(self) -> Anvil:
        return self.chain.chain.anvil

    def show(self, given: BookGiven) -> None:
        """The exchange's book changes."""
        self.engine.on_book(_book(given))

    async def mine(self, swaps: Sequence[SwapGiven]) -> None:
        """Others send `swaps`, and the block is made; the bot takes it in and decides."""
        sent = [tx_hash for swap in swaps for tx_hash in await self.swap(swap)]
        await self._next_block()
        for tx_hash in sent:
            receipt = await self.anvil.rpc("eth_getTransactionReceipt", tx_hash)
            assert receipt["status"] == "0x1", "a swap of the scenario reverts: its quote is of the state before"

    async def reorganise(self, depth: int, *, keep: bool) -> None:
        """The last `depth` blocks are replaced, with the bot's transactions in them again or without."""
        tip = int(await self.anvil.rpc("eth_blockNumber"), 16)
        kept = []
        if keep:
            for intent in self.ledger.mined_intents():
                (attempt,) = self.ledger.attempts(intent.id)
                assert intent.block_number is not None
                kept.append(["0x" + attempt.raw.hex(), depth - 1 - (tip - intent.block_number)])
        await self.anvil.rpc("anvil_reorg", depth, kept)

    async def follow(self) -> None:
        """Take in all that the chain has come to."""
        tip = await self.anvil.rpc("eth_getBlockByNumber", "latest", False)
        while self.engine.head is None or self.engine.head.hash != tip["hash"]:
            event: ChainEvent = await anext(self.events)
            await self.engine.take(event)
            assert isinstance(event, Undone) or event.head.number <= int(tip["number"], 16)

    async def reconciled(self) -> Reconciliation:
        """The ledger against the chain and the exchange."""
        return await reconcile(self.ledger, on_chain(self.node), at_exchanges({"binance": self.exchange}))

    async def _next_block(self) -> None:
        latest = await self.anvil.rpc("eth_getBlockByNumber", "latest", False)
        await self.anvil.rpc("evm_mine", {"timestamp": int(latest["timestamp"], 16) + 1})
        await self.follow()

    async def swap(self, given: SwapGiven) -> list[str]:
        """A transfer into the pair and its swap, at the quote of now."""
        pool = await self.chain.chain.load(self.pools[given.pool])
        token = next(token for token in pool.tokens if token.symbol == given.sell)
        amount = units(given.amount)
        out = pool.quote(token, amount)
        outs = (0, out) if token == pool.tokens[0] else (out, 0)
        other = self.chain.chain.account
        sent = []
        for to, data in (
            (token.address, call_data("transfer(address,uint256)", pool.address, amount)),
            (pool.address, call_data("swap(uint256,uint256,address,bytes)", *outs, other, b"")),
        ):
            # Anvil orders a block by the highest fee offered, not by the tip.
            fee_wei = (given.tip_gwei + self.scenario.base_fee_gwei) * GWEI
            fees = {"maxFeePerGas": hex(fee_wei), "maxPriorityFeePerGas": hex(given.tip_gwei * GWEI)}
            call = {"from": other, "to": to, "data": data, "gas": hex(300_000), **fees}
            sent.append(str(await self.anvil.rpc("eth_sendTransaction", call)))
        return sent


async def open_road(
    scenario: Scenario,
    folder: Path,
    stack: AsyncExitStack,
    *,
    strategies: Sequence[Strategy] = (),
    trading: bool = True,
    coin: GasCoin = ETHER_COIN,
) -> SmallRoad:
    """Deploy what the scenario asks for, and stand on its first head.

    `strategies` trade instead of the scenario's, whose names and budgets they must have. A `coin` that is not ETH has
    its mark given, since the market has no price of it.
    """
    anvil = await stack.enter_async_context(Anvil(ANVIL_ARGUMENTS))
    chain = await contracts.Market.open(anvil)
    if scenario.taxed:
        await _tax(chain, scenario.taxed)
    pools = {pool.name: await _pool(chain, pool.factory, pool.holds) for pool in scenario.pools}
    await anvil.rpc("anvil_setBalance", OPERATOR, hex(10**19))
    await anvil.rpc("anvil_setBalance", chain.chain.account, hex(_MINER_ETHER))
    await anvil.rpc("evm_setAutomine", False)
    await anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(scenario.base_fee_gwei * GWEI))
    await anvil.rpc("evm_mine")
    loaded = _loaded(scenario, chain, folder, coin)
    road = await _wired(scenario, chain, pools, loaded, folder, stack, coin)
    own = replace(road.road, strategies=strategies or road.road.strategies, trading=trading)
    return replace(road, road=own, engine=Engine(own, road.output))


async def _tax(chain: contracts.Market, symbol: str) -> None:
    """Put a token in the place of `symbol` that keeps a tenth of every transfer."""
    code = json.loads(_TAXED_TOKEN.read_text())["bytecode"]["object"]
    at = await chain.chain.create(bytes.fromhex(code[2:]))
    await chain.chain.send(at, "mint(address,uint256)", chain.chain.account, 10**30)
    setattr(chain, symbol.lower(), Token("anvil", at, symbol, 18))


async def _pool(chain: contracts.Market, factory: str, holds: Mapping[str, str]) -> PoolFacts:
    (one, one_amount), (other, other_amount) = holds.items()
    tokens = getattr(chain, one.lower()), getattr(chain, other.lower())
    amounts = units(one_amount), units(other_amount)
    if factory == "v3":
        return await chain.pool(tokens[0], amounts[0], tokens[1], amounts[1])
    facts = await chain.pair(getattr(chain, factory), tokens[0], amounts[0], tokens[1], amounts[1])
    # A pair that was never traded pays for its first price slots; a market has pairs that were.
    await chain.chain.anvil.rpc("evm_increaseTime", 1)
    await chain.chain.send(facts.address, "sync()")
    return facts


def _loaded(scenario: Scenario, chain: contracts.Market, folder: Path, coin: GasCoin) -> Loaded:
    """A run file like any other, and what it says."""
    budget = {**_BUDGET, **scenario.budget}
    for name in scenario.strategies:
        lines = [f'strategy = "strategies.{name}:{_class(name)}"', "[budget]"]
        lines += [f'{key} = "{value}"' for key, value in budget.items()]
        (folder / f"{name}.toml").write_text("\n".join(lines))
    facts = _NETWORK if coin == ETHER_COIN else _OTHER_COIN
    (folder / "anvil.toml").write_text(facts.format(weth=chain.weth.address, dai=chain.dai.address))
    keystore = folder / "operator.json"
    keystore.write_bytes(seal(_OPERATOR_SECRET, PASSPHRASE.encode(), light=True))
    anvil = chain.chain.anvil
    strategies = ", ".join(f'"{name}.toml"' for name in scenario.strategies)
    run = _RUN.format(strategies=strategies, ws_url=anvil.ws_url, executor=chain.executor)
    (folder / "isthmus.toml").write_text(run)
    return load(folder / "isthmus.toml")


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


async def _wired(
    scenario: Scenario,
    chain: contracts.Market,
    pools: Mapping[str, PoolFacts],
    loaded: Loaded,
    folder: Path,
    stack: AsyncExitStack,
    coin: GasCoin,
) -> SmallRoad:
    config, network, clock = loaded.config, loaded.network, SystemClock()
    anvil, made = chain.chain.anvil, chain.made
    assert made is not None
    node = await stack.enter_async_context(Node(network, [EndpointSettings(anvil.ws_url)], clock))
    simulator = await stack.enter_async_context(Simulator(network, anvil.http_url, clock))
    ledger = Ledger.open(str(folder / "ledger.sqlite3"), clock)
    stack.callback(ledger.close)
    head = await node.head()
    market = Market(network.assets)
    for facts in pools.values():
        market.add_pool(await chain.chain.load(facts), head.number)
    exchange = PaperExchange("binance", lambda symbol: market.books[book_id("binance", symbol)], AT_EXCHANGE)
    first_book = next((step.book for step in scenario.steps if step.book), None)
    currencies = [ETH, USDT] if first_book else []
    if first_book:
        market.set_book(_book(first_book))
    marks = opening_marks(market, [*network.tokens.values(), *currencies])
    if coin != ETHER_COIN:
        marks = Marks({**marks.wei_per_unit, network.wrapped: coin.mark})
    identity = Identity(network.chain_id, network.name, OPERATOR, made.executor, made.inventory, made.code_hash)
    caps = {chain.weth: contracts.CAP, chain.dai: contracts.CAP}
    ledger.start_run(Mode.LIVE, network.name, network.chain_id, None, config.digest, head.hash)
    ledger.at_head(head.number, head.timestamp_s)
    ledger.set_marks(ledger_marks(marks, network))
    await open_accounts(
        ledger,
        network,
        node,
        {"binance": exchange},
        operators=[OPERATOR],
        holders={made.executor: [chain.weth], made.inventory: list(caps)},
        currencies=currencies,
    )
    policy = signer_policy(
        config,
        network,
        identity,
        profit_tokens=[chain.weth],
        caps=caps,
        pools=[facts.address for facts in pools.values()],
        marks=marks,
    )
    signer = await SignerClient.start(
        keystore=folder / "operator.json", passphrase=PASSPHRASE, policy=policy, directory=folder / "signer"
    )
    stack.push_async_callback(signer.close)
    fee_policy = FeePolicy(2 * GWEI, 200 * GWEI, coin=marks.gas_coin(network.wrapped))
    inventory = InventoryDesk(ledger=ledger, holder=made.inventory, caps=caps, currencies=currencies)
    transactions = TransactionDesk(
        identity=identity,
        ledger=ledger,
        simulator=simulator,
        signer=signer,
        submitter=node,
        fee_policy=fee_policy,
        market=market,
        marks=marks,
        held=list(caps),
        unwind_loss_ppm=config.execution.unwind_loss_ppm,
        finality_blocks=network.finality_blocks,
        clock=clock,
    )
    hedges = HedgeDesk(
        market=market,
        assets=network.assets,
        ledger=ledger,
        exchanges={"binance": exchange},
        inventory=inventory,
        marks=marks,
        policies={name: HedgePolicy() for name in scenario.strategies},
    )
    await transactions.start()
    hedges.start(head)
    ground = LiveGround(node, simulator)
    road = Road(
        market=market,
        strategies=[strategy.create() for strategy in config.strategies],
        guard=Guard(ledger, budgets(config)),
        transactions=transactions,
        hedges=hedges,
        inventory=inventory,
        ledger=ledger,
        fee_policy=fee_policy,
        ground=ground,
        filters={},
        upkeep=upkeeping(node, KnownPools(tuple(pools.values()), {}), AuditPolicy()),
        network=network.name,
        trading=True,
    )
    events = node.blocks(sorted(TOPICS), head)
    stack.push_async_callback(events.aclose)
    output = Told()
    engine = Engine(road, output)
    ask_ahead(node, ground, engine.sought)
    return SmallRoad(scenario, chain, pools, ledger, road, engine, output, exchange, node, signer, events)


def _book(given: BookGiven) -> Book:
    tick, lot = USDT.units("0.000001"), ETH.units("0.0001")

    def levels(side: Sequence[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
        return tuple((USDT.units(price) // tick, ETH.units(amount) // lot) for price, amount in side)

    return Book(
        exchange="binance",
        symbol="ETH/USDT",
        base=ETH,
        quote=USDT,
        bids=levels(given.bids),
        asks=levels(given.asks),
        tick=tick,
        lot=lot,
        min_amount=lot,
        min_notional=USDT.units("0.001"),
        taker_fee_ppm=EXCHANGE_FEE_PPM,
        nonce=1,
    )
