"""A twin that stays up while bots come and go: to the bot an ordinary node and an ordinary exchange."""

from __future__ import annotations

import json
import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bot.execution.references import References
from bot.execution.settings import Bound, Venues
from bot.keys import new_keystore
from bot.rpc import HttpRpc
from bot.run.twin_session import deploy_on_twin
from chains.assets import Address
from chains.exchanges.urls import ccxt_urls
from chains.networks import load_network
from chains.tools import ROOT
from chains.twin.client import TwinProcess

PASSPHRASE = "correct horse"
API_KEY, API_SECRET = "lasting-key", "lasting-secret"
SYMBOLS = ("ETH/USDT", "BTC/USDT")
CAPS = {"WETH": 25 * 10**18, "USDT": 50_000 * 10**6, "WBTC": 15 * 10**7}
BOUND = Bound(600, 20_000)
"""A run file's own, where it names none."""

HELD_AT_EXCHANGE = {"ETH": 100 * 10**8, "USDT": 200_000 * 10**8, "BTC": 6 * 10**8}

_RUN = """\
network = "lasting.toml"
strategies = ["{root}/strategies/dex_arbitrage.toml", "{root}/strategies/cex_dex_arbitrage.toml"]

[node]
endpoints = {endpoints}

[[exchanges]]
name = "binance"
symbols = {symbols}
api_key = "file:api_key"
api_secret = "file:api_secret"
urls = {urls}

[executor]
address = "{executor}"
profit_tokens = ["WETH"]
inventory_caps = ["25 WETH", "50000 USDT", "1.5 WBTC"]

[signer]
keystore = "operator.json"
further_keys = {further_keys}

[ledger]
folder = "runs"

[dashboard]
enabled = false

[certificate]
enabled = {certified}
"""


@dataclass(frozen=True, slots=True)
class Lasting:
    """A chain with an executor on it, an account at its exchange, and a run file that names both."""

    twin: TwinProcess
    folder: Path
    operators: tuple[Address, ...]

    @property
    def ledger(self) -> Path:
        return self.folder / "runs" / "lasting" / "ledger.sqlite3"

    async def block(self) -> None:
        """The exchange moves, and a block is made."""
        await self.twin.advance()
        await self.twin.mine()

    async def bot(self, *options: str) -> Bot:
        """Start the bot's own command, as its user would."""
        log = self.folder / f"told-{len(list(self.folder.glob('told-*')))}"
        with log.open("wb") as told:
            process = await create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run", "--config", str(self.folder / "isthmus.toml"), "--json"),
                *("--passphrase-file", str(self.folder / "passphrase"), *options),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=told,
                cwd=ROOT,
                start_new_session=True,
            )
        return Bot(process, log)


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot in a process of its own. What it tells is in `log`."""

    process: Process
    log: Path

    @property
    def told(self) -> str:
        return self.log.read_text()

    async def killed(self) -> None:
        """As if the power failed: nothing is flushed, nothing is said."""
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def summary(self) -> dict[str, Any]:
        """Wait until it ends by itself; the last line of its output."""
        output, _ = await self.process.communicate()
        assert self.process.returncode == 0, self.told
        document: dict[str, Any] = orjson.loads(output.splitlines()[-1])
        return document


async def open_lasting(
    twin: TwinProcess,
    folder: Path,
    *,
    endpoints: Sequence[str] = (),
    exchange: tuple[str, str] | None = None,
    operators: int = 1,
    certified: bool = True,
) -> Lasting:
    """Deploy and fund everything a run off its own twin must find there, and write its files; for so many `operators`.

    The run file names the twin's own node and exchange, or the `endpoints` and the exchange's HTTP and WebSocket
    addresses that stand before them. Unless `certified`, no process of its own finds out what each block had to give.
    """
    (folder / "lasting.toml").write_text('inherits = "twin"\n')
    network = load_network(folder / "lasting.toml")
    files = ["operator.json", *(f"operator-{number}.json" for number in range(2, operators + 1))]
    keys = tuple(new_keystore(folder / name, PASSPHRASE, light=True) for name in files)
    caps = [(Address(network.token(symbol).address), cap) for symbol, cap in CAPS.items()]
    async with HttpRpc(twin.descriptor["rpc_http"]) as rpc:
        made = await deploy_on_twin(
            twin,
            rpc,
            operators=keys,
            profit_tokens=[Address(network.wrapped.address)],
            inventory=await References(rpc, network, BOUND).inventory(caps),
            bound=BOUND,
            chain_id=network.chain_id,
            venues=Venues.of(network),
        )
    for currency, units in HELD_AT_EXCHANGE.items():
        await twin.deposit(API_KEY, API_SECRET, currency, units)
    for name, secret in {"api_key": API_KEY, "api_secret": API_SECRET, "passphrase": PASSPHRASE}.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret)
    described = twin.descriptor
    run = _RUN.format(
        root=ROOT,
        endpoints=json.dumps(list(endpoints) or [described["rpc_ws"]]),
        urls=_inline(ccxt_urls(*(exchange or (described["exchange_http"], described["exchange_ws"])))),
        symbols=json.dumps(SYMBOLS),
        executor=made.executor,
        further_keys=json.dumps(files[1:]),
        certified=json.dumps(certified),
    )
    (folder / "isthmus.toml").write_text(run)
    return Lasting(twin, folder, keys)


def _inline(value: Mapping[str, Any] | str) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, str):
        return json.dumps(value)
    return "{ " + ", ".join(f"{key} = {_inline(inner)}" for key, inner in value.items()) + " }"
