"""What a run stands in: the node, the exchanges whose books it watches, the twin if there is one, and its own files."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.model import ExchangeSettings
from bot.config.options import Reporter, RunOptions
from bot.config.values import plain
from bot.ledger.database import LEDGER_FILE, parse_url
from bot.ledger.headfile import head_file_among
from bot.ledger.ledger import Ledger
from bot.ledger.verify import silent
from bot.mode import Mode
from bot.signer.files import SIGNER_FOLDER
from bot.signer.switch import CONTROL_NAME, KillSwitch
from bot.world.exchanges import exchange_of
from bot.world.nodes import node_of
from chains.assets import Address
from chains.exchanges.urls import ccxt_urls
from chains.networks import Network
from chains.node import Node
from chains.node.gateway import Gateway
from chains.twin.client import TwinProcess

if TYPE_CHECKING:
    from chains.exchanges.adapter import Exchange

TWIN = "twin"
_HEAD_FILE_BEFORE = "ledger-head"
_LOCAL_KEY = "isthmus"


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the bot, connected.

    `folder` is private to the run; `memory` holds what later runs on the same chain must know too, which is the same
    folder where nothing outlives the run. `instance` names this world's history. `node` can be read at `http_url`, and
    over a WebSocket at `fork_url`, by those who ask for much at once; a `gateway` serves both, but on the twin.
    """

    network: Network
    node: Node
    http_url: str
    fork_url: str
    gateway: Gateway | None
    exchanges: Mapping[str, Exchange]
    api_keys: Mapping[str, tuple[str, str]]
    twin: TwinProcess | None
    ledger: Ledger
    ledger_url: str
    folder: Path
    memory: Path
    instance: str

    def signer_journal(self, operators: Sequence[Address]) -> Path:
        """Where the signer remembers what it signed with these keys on this chain, in a folder of its own.

        It is named after the first of them. In whichever order they are named later, and whoever of them is named no
        more, what is there is gone on with. Raises `JournalError`.
        """
        folder = self.memory / SIGNER_FOLDER
        places = [folder / f"signer-{operator}.db" for operator in operators]
        named = next((place for place in places if place.exists()), None)
        if named is not None:
            return named
        # Here, because the journal is the signer's: its modules are seldom needed in this process.
        from bot.signer.journal import signed_by

        return next((place for place in sorted(folder.glob("signer-*.db")) if signed_by(place, operators)), places[0])

    @property
    def control(self) -> Path:
        """Where the kill switch and grants of this chain's signer lie."""
        return self.memory / CONTROL_NAME

    def kill_switch(self, clock: Clock) -> KillSwitch:
        """The kill switch, set to ACTIVE where none was ever set. Raises `SwitchUnwritten`."""
        switch = KillSwitch(self.control)
        switch.establish(clock.wall_s())
        return switch

    @property
    def pool_states(self) -> Mapping[str, int]:
        """How many pools of the twin are as recorded; empty elsewhere."""
        return self.twin.descriptor["pools"] if self.twin else {}


async def open_world(loaded: Loaded, options: RunOptions, clock: Clock, out: Reporter, stack: AsyncExitStack) -> World:
    """Connect to everything, in order; `stack` closes it again. Raises what the rooms raise, one line each."""
    config, network = loaded.config, loaded.network
    folder = _run_folder(config.ledger.folder, options.mode, network)
    # What outlives a run must be known to the next one: its ledger, and what its signer signed.
    lasting = options.mode is Mode.LIVE and config.network != TWIN
    memory = config.ledger.folder / network.name if lasting else folder
    memory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ledger_url = plain(config.ledger.url) if config.ledger.url else str(memory / LEDGER_FILE)
    ledger = _open_ledger(ledger_url, config.ledger.folder, network, folder, clock, out)
    stack.callback(_close_ledger, ledger, folder)
    twin = await _twin(loaded, options, out, stack) if config.network == TWIN else None
    described: Mapping[str, Any] = twin.descriptor if twin else {}
    urls = [described["rpc_ws"]] if described else []
    node = await stack.enter_async_context(node_of(config, network, clock, urls))
    node.in_flight = lambda: ledger.begun and bool(ledger.open_intents())
    # The twin is one local node without limits: between it and its forks a gateway would save nothing, and cost time.
    gateway: Gateway | None = None
    if described:
        http_url, fork_url = described["rpc_http"], described["rpc_ws"]
    else:
        gateway = await stack.enter_async_context(Gateway(node))
        http_url, fork_url = gateway.url, gateway.ws_url
    keys = {settings.name: _api_key(settings, twin) for settings in config.exchanges}
    exchanges = {}
    for settings in config.exchanges:
        exchange = _exchange(settings, network, keys[settings.name], described)
        stack.push_async_callback(exchange.close)
        exchanges[settings.name] = exchange
    genesis = await node.block_by_number(0)
    born = genesis.hash if genesis else network.name
    return World(
        network=network,
        node=node,
        http_url=http_url,
        fork_url=fork_url,
        gateway=gateway,
        exchanges=exchanges,
        api_keys=keys,
        twin=twin,
        ledger=ledger,
        ledger_url=ledger_url,
        folder=folder,
        memory=memory,
        instance=born if lasting else f"{born}/{folder.name}",
    )


def _open_ledger(
    url: str, runs: Path, network: Network, folder: Path, clock: Clock, out: Reporter | None = None
) -> Ledger:
    """The ledger, to be held later. A head file of an earlier version is moved to where all runs look for it."""
    try:
        head_file, before = head_file_among(runs, parse_url(url)), runs / network.name / _HEAD_FILE_BEFORE
        if "://" in url and before.exists() and not head_file.exists():
            before.rename(head_file)
        telling = partial(out.progress, "checking the ledger") if out else silent
        return Ledger.open(url, clock, hold_later=network.name, head_file=head_file, progress=telling)
    except BaseException:
        shutil.rmtree(folder)
        raise


def _close_ledger(ledger: Ledger, folder: Path) -> None:
    """Close it; a start that failed before there was a run leaves no folder behind."""
    begun = ledger.begun
    ledger.close()
    if not begun:
        shutil.rmtree(folder, ignore_errors=True)


def _run_folder(parent: Path, mode: Mode, network: Network) -> Path:
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{network.name}-{mode}-{secrets.token_hex(2)}"
    folder = parent / name
    folder.mkdir(mode=0o700, parents=True)
    return folder


async def _twin(loaded: Loaded, options: RunOptions, out: Reporter, stack: AsyncExitStack) -> TwinProcess:
    settings = loaded.config.twin
    out.line("starting the twin of mainnet")
    twin = await stack.enter_async_context(
        TwinProcess(
            seed=settings.seed if options.seed is None else options.seed,
            block_time_s=settings.block_time_s,
            pace_s=settings.pace_s,
            stepped=settings.stepped,
            taker_fee_ppm=settings.exchange_taker_fee_ppm,
        )
    )
    pools = twin.descriptor["pools"]
    out.line(
        f"twin: chain {twin.descriptor['chain_id']} at {twin.descriptor['rpc_http']}, exchange at "
        f"{twin.descriptor['exchange_http']}; {pools['recorded']} recorded pools, {pools['range_filled']} of them "
        f"with a filled range, {pools.get('filled', 0)} filled"
    )
    return twin


def _api_key(settings: ExchangeSettings, twin: TwinProcess | None) -> tuple[str, str]:
    if twin is not None:
        # The local exchange makes an account for whatever key a deposit names.
        return _LOCAL_KEY, secrets.token_hex(32)
    if settings.api_key is None or settings.api_secret is None:
        return "", ""
    return settings.api_key.read(), settings.api_secret.read()


def _exchange(
    settings: ExchangeSettings, network: Network, key: tuple[str, str], described: Mapping[str, Any]
) -> Exchange:
    if not described:
        return exchange_of(settings, network)
    return exchange_of(settings, network, urls=ccxt_urls(described["exchange_http"], described["exchange_ws"]), key=key)
