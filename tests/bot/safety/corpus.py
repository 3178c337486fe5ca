"""A chain full of odd tokens of our own making, each with a real Uniswap V2 pair, and what the lab says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.exactness.contracts import Chain
from bot.safety.report import Oddity, Taxes
from chains.anvil import Anvil
from chains.assets import Address, Token, address
from chains.blocks import Head
from chains.networks import Network, load_network
from chains.node import wire
from chains.tools import ROOT

UNIT = 10**18
TOKENS_THERE = 10**6 * UNIT
BASE_THERE = 1_000 * UNIT
REGISTRY_1820 = "0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24"
ANVIL_ARGUMENTS = ["--accounts", "1", "--gas-limit", "2000000000", "--base-fee", "0", "--chain-id", "31337"]
MINER = address("0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97")


@dataclass(frozen=True, slots=True)
class Odd:
    """A token of the corpus: the file it is in, why it is refused (nothing: it is supported), and what else is seen."""

    file: str
    name: str
    oddities: frozenset[Oddity] = frozenset()
    seen: Mapping[str, Any] = field(default_factory=dict)


def _odd(file: str, name: str, *oddities: Oddity, **seen: Any) -> Odd:
    return Odd(file, name, frozenset(oddities), seen)


CORPUS = (
    _odd("OddToken", "OddToken", returns="true", approvals="any", decimals=18, zero_transfer=True, blacklist=False),
    _odd(
        *("Taxed", "FeeAlways", Oddity.BUY_TAX, Oddity.SELL_TAX, Oddity.TRANSFER_TAX),
        taxes=Taxes(30_000, 30_000, 30_000),
    ),
    _odd("Taxed", "FeeOnBuy", Oddity.BUY_TAX, taxes=Taxes(50_000, 0, 0)),
    _odd("Taxed", "FeeOnSell", Oddity.SELL_TAX, taxes=Taxes(0, 250_000, 0)),
    _odd(
        *("Taxed", "Deflationary", Oddity.BUY_TAX, Oddity.SELL_TAX, Oddity.TRANSFER_TAX),
        taxes=Taxes(10_000, 10_000, 10_000),
    ),
    _odd("Taxed", "TollOnTop", Oddity.SELL_TAX, Oddity.TRANSFER_TAX, taxes=Taxes(0, 20_000, 20_000)),
    _odd(
        *("Taxed", "Salmonella", Oddity.SELL_TAX, Oddity.TRANSFER_TAX, Oddity.EVENTS_DIFFER),
        taxes=Taxes(0, 900_001, 900_001),
    ),
    _odd("Taxed", "SelfInflating", Oddity.SELF_TRANSFER, taxes=Taxes(0, 0, 0)),
    _odd("Restricted", "Blacklisting", blacklist=True),
    _odd("Restricted", "BlacklistsBuyers", Oddity.SELL_BLOCKED, Oddity.TRANSFER_BLOCKED, blacklist=True),
    _odd("Restricted", "Honeypot", Oddity.SELL_BLOCKED, taxes=Taxes(0, None, 0)),
    _odd("Restricted", "Pausable", pausable=True),
    _odd("Restricted", "MaxTransfer", Oddity.AMOUNT_LIMIT),
    _odd("Restricted", "Cooldown", Oddity.COOLDOWN),
    _odd("Restricted", "RevertsOnZeroTransfer", zero_transfer=False),
    _odd(
        *("Rebasing", "RebasingUp", Oddity.REBASING, Oddity.BUY_TAX, Oddity.SELL_TAX, Oddity.TRANSFER_TAX),
        Oddity.EVENTS_DIFFER,
    ),
    _odd("Rebasing", "RebasingDown", Oddity.REBASING),
    _odd("Rebasing", "SharesOfAPot", Oddity.REBASING, rebasing_ppm=0),
    _odd("Answers", "MissingReturn", returns="nothing", decimals=6, approvals="none"),
    _odd("Answers", "FalseReturn", Oddity.BUY_BLOCKED, Oddity.ANSWERS_FALSE, returns="false"),
    _odd("Answers", "FalseOnFailure", returns="true"),
    _odd("Answers", "ReturnBomb", Oddity.RETURN_BOMB, Oddity.GAS_HUNGRY),
    _odd("Answers", "GasBurner", Oddity.GAS_HUNGRY),
    _odd("Answers", "LowDecimals", decimals=2),
    _odd("Answers", "HighDecimals", decimals=50),
    _odd("Answers", "AbsurdDecimals", Oddity.UNKNOWN_DECIMALS, decimals=None),
    _odd("Allowing", "ApprovalRace", approvals="zero_first"),
    _odd("Allowing", "RevertsOnZeroApprove", approvals="never_zero"),
    _odd("Allowing", "WrongPermitDomain"),
    _odd("Allowing", "FlashMintable", flash_mintable=True),
    _odd("Calling", "TellsReceivers", Oddity.CALLBACK, callbacks=True),
    _odd("Calling", "Hooked777", Oddity.CALLBACK, callbacks=True),
    _odd("Calling", "Reentrant", Oddity.CALLBACK, Oddity.SELL_TAX, callbacks=True),
    _odd("Calling", "DoubleEntry", Oddity.SHARED_BALANCES, callbacks=False),
    _odd("Calling", "Gossip", Oddity.CALLS_OTHERS, callbacks=False),
    _odd(
        *("Changing", "CoinbaseAware", Oddity.SIMULATION_AWARE, Oddity.BUY_TAX, Oddity.TRANSFER_TAX),
        Oddity.EVENTS_DIFFER,
    ),
    _odd("Changing", "BaseFeeAware", Oddity.SIMULATION_AWARE, Oddity.SELL_BLOCKED),
    _odd(
        *("Changing", "BuilderAware", Oddity.SIMULATION_AWARE, Oddity.BUY_TAX, Oddity.TRANSFER_TAX),
        Oddity.EVENTS_DIFFER,
    ),
    _odd("Changing", "Replaceable", Oddity.UNKNOWN_PROXY),
    _odd("Changing", "Clone"),
)


def artefact(file: str, name: str) -> Any:
    return json.loads((ROOT / "contracts" / "out" / f"{file}.sol" / f"{name}.json").read_bytes())


@dataclass
class OddWorld:
    """An Anvil with a factory and one well-known token, against which every odd token is traded."""

    chain: Chain
    network: Network
    factory: Address
    base: Token

    @classmethod
    async def open(cls, anvil: Anvil) -> OddWorld:
        chain = await Chain.open(anvil)
        await anvil.rpc("anvil_setCoinbase", MINER)
        base = await chain.token("BASE")
        factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
        runtime = artefact("Calling", "Registry")["deployedBytecode"]["object"]
        await anvil.rpc("anvil_setCode", REGISTRY_1820, runtime)
        twin = load_network("twin")
        uniswap = replace(twin.factory("uniswap_v2"), address=factory)
        network = replace(twin, tokens={"BASE": base}, factories={"uniswap_v2": uniswap})
        return cls(chain, network, factory, base)

    async def head(self) -> Head:
        return wire.header(await self.chain.anvil.rpc("eth_getBlockByNumber", "latest", False)).head

    async def deploy(self, file: str, name: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Address:
        """Deploy a contract of the corpus."""
        code = bytes.fromhex(artefact(file, name)["bytecode"]["object"][2:])
        return await self.chain.create(code, types, values)

    async def pair(self, token: Address) -> Address:
        """A pair of `token` and the base, with plenty of both."""
        return await self.pair_of(self.factory, token, base_there=BASE_THERE, tokens_there=TOKENS_THERE)

    async def pair_of(self, factory: Address, token: Address, *, base_there: int, tokens_there: int) -> Address:
        """A pair of `factory`."""
        base = self.base.address
        await self.chain.send(factory, "createPair(address,address)", token, base)
        (pair,) = await self.chain.read(factory, "getPair(address,address)", ["address"], token, base)
        await self.chain.send(token, "mint(address,uint256)", pair, tokens_there)
        await self.chain.send(base, "transfer(address,uint256)", pair, base_there)
        await self.chain.send(pair, "sync()")
        return address(pair)

    async def listed(self, file: str, name: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Address:
        """A token of the corpus, with a pair."""
        token = await self.deploy(file, name, types, values)
        await self.pair(token)
        return token


@asynccontextmanager
async def odd_world() -> AsyncIterator[OddWorld]:
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        yield await OddWorld.open(anvil)
