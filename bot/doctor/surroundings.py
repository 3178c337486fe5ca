"""Looks at what a configuration names: node, keystores and their operators, database, disk, ports."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.clock import Clock
from bot.config.checks import TWIN
from bot.config.model import RunConfig
from bot.config.values import SAFE_FILE_MODE, plain
from bot.doctor.checks import Check, Status, graded
from bot.execution.deployment import balance, settings_of
from bot.gas import coins
from bot.keys import keystore_address
from bot.ledger.database import parse_url
from bot.ledger.headfile import head_file_among
from bot.ledger.ledger import Ledger
from bot.rpc import NodeRpc
from bot.signer.keystore import KeystoreError
from bot.signer.sources import Kind
from bot.world.nodes import node_of
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Head
from chains.networks import Network
from chains.node import NodeError
from chains.node.endpoint import Endpoint

LAG_WARN_BLOCKS = 3
LAG_FAIL_BLOCKS = 20
CLOCK_AHEAD_WARN_S = 2
SPACE_WARN_BYTES = 2 << 30
SPACE_FAIL_BYTES = 200 << 20


async def node(config: RunConfig, network: Network, clock: Clock) -> Iterable[Check]:
    """Every endpoint answers, is on the network's chain, and is not behind; and what is left of its day's units."""
    if config.network == TWIN:
        return [Check("node", Status.OK, "the twin brings its own")]
    asked = node_of(config, network, clock)
    try:
        seen = await asyncio.gather(*(_endpoint(endpoint) for endpoint in asked.endpoints))
    finally:
        await asked.close()
    heads = [head for _, head in seen if head is not None]
    checks = [check for check, _ in seen]
    if not heads:
        return checks
    newest = max(heads, key=lambda head: head.number)
    checks += [
        _behind(endpoint.name, newest.number - head.number)
        for endpoint, (_, head) in zip(asked.endpoints, seen, strict=True)
        if head is not None and newest.number - head.number > LAG_WARN_BLOCKS
    ]
    return [*checks, _age(newest, network, clock)]


async def _endpoint(endpoint: Endpoint) -> tuple[Check, Head | None]:
    name = f"node {endpoint.name}"
    try:
        head = (await endpoint.latest()).head
    except (NodeError, RpcError) as error:
        what, _, remedy = str(error).partition("; ")
        return Check(name, Status.FAIL, what, remedy or "correct the address under [node]"), None
    quota = endpoint.quota
    found = f"block {head.number}, {1000 * endpoint.health.latency_s:.0f} ms, {quota}"
    remedy = "raise daily_units, or add an endpoint"
    return graded(name, found, warn=not quota.to_spare(), remedy=remedy), head


def _behind(name: str, blocks: int) -> Check:
    return graded(
        f"node {name} head",
        f"{blocks} blocks behind the others",
        warn=True,
        fail=blocks > LAG_FAIL_BLOCKS,
        remedy="let it synchronise, or take it out of node.endpoints",
    )


def _age(head: Head, network: Network, clock: Clock) -> Check:
    lag_s = clock.wall_s() - head.timestamp_s
    lag_blocks = lag_s / network.block_time_s
    behind = "the node is behind or this machine's clock is wrong; let it catch up, or set the clock (NTP)"
    own_time = "a test chain may keep a time of its own; budgets count by it"
    return graded(
        "clock and head",
        f"the latest block is {lag_s:.0f} s old",
        warn=lag_blocks > LAG_WARN_BLOCKS or lag_s < -CLOCK_AHEAD_WARN_S,
        fail=lag_blocks > LAG_FAIL_BLOCKS and not network.test_chain,
        remedy=own_time if network.test_chain else behind,
    )


async def keystore(config: RunConfig, network: Network) -> Iterable[Check]:
    """The file is there, is a keystore, and nobody else can read it."""
    paths = keystores(config)
    if not paths:
        twin = config.network == TWIN
        found = "none; a throw-away key is made for each run" if twin else "none; enough for --mode dry and fork"
        return [Check("keystore", Status.OK, found)]
    return [_keystore(path) for path in paths]


def keystores(config: RunConfig) -> list[Path]:
    """The keystore files of the run's operators."""
    return [Path(key.place) for key in config.signer.keys if key.kind is Kind.KEYSTORE]


def _keystore(path: Path) -> Check:
    try:
        address = keystore_address(path)
        mode = path.stat().st_mode & 0o777
    except KeystoreError as error:
        what, _, remedy = str(error).partition("; ")
        return Check("keystore", Status.FAIL, what, remedy or "correct [signer]")
    return graded(
        "keystore",
        f"{address} in {path}, mode {mode:04o}",
        fail=bool(mode & ~SAFE_FILE_MODE),
        remedy=f"others may read it; run `chmod 600 {path}`",
    )


async def operators(config: RunConfig, network: Network, clock: Clock) -> Iterable[Check]:
    """Each keystore's key is an operator of the configured executor; and can pay for gas."""
    executor, paths = config.executor.address, keystores(config)
    if executor is None or not paths:
        return []
    async with NodeRpc(node_of(config, network, clock)) as rpc:
        known = (await settings_of(rpc, executor)).operators
        held = {it: await balance(rpc, ZERO_ADDRESS, it) for it in map(keystore_address, paths)}
    return [_operator(who, wei, known, executor) for who, wei in held.items()]


def _operator(who: Address, wei: int, known: Sequence[Address], executor: Address) -> Check:
    if who not in known:
        remedy = f"it takes orders from {', '.join(known)}; correct [signer], or deploy an executor for this key"
        return Check("operator", Status.FAIL, f"{who} is no operator of executor {executor}", remedy)
    found = f"{who} may trade through executor {executor}, and holds {coins(wei)}"
    return graded("operator", found, warn=wei == 0, remedy="run `isthmus executor top-up`")


async def database(config: RunConfig, clock: Clock) -> Iterable[Check]:
    """The ledger opens, migrates and can be written; for a ledger per run, a throw-away one beside them."""
    config.ledger.folder.mkdir(parents=True, exist_ok=True)
    if config.ledger.url is not None:
        url = plain(config.ledger.url)
        # What is made here without its head file, no run would take.
        Ledger.open(url, clock, head_file=head_file_among(config.ledger.folder, parse_url(url))).close()
        return [Check("database", Status.OK, "opens, and its schema is up to date")]
    with tempfile.TemporaryDirectory(dir=config.ledger.folder, prefix=".doctor-") as folder:
        Ledger.open(str(Path(folder) / "ledger.sqlite3"), clock).close()
    return [Check("database", Status.OK, f"a ledger can be made in {config.ledger.folder}")]


async def disk(config: RunConfig) -> Iterable[Check]:
    folder = config.ledger.folder
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    return [
        graded(
            "disk",
            f"{free / (1 << 30):.1f} GB free at {existing}",
            warn=free < SPACE_WARN_BYTES,
            fail=free < SPACE_FAIL_BYTES,
            remedy="free some space, or name another ledger.folder; a ledger that cannot be written stops the run",
        )
    ]


async def ports(config: RunConfig) -> Iterable[Check]:
    """The dashboard's port is free."""
    host, port = config.dashboard.host, config.dashboard.port
    if not config.dashboard.enabled or port == 0:
        found = "any free one is taken" if config.dashboard.enabled else "the dashboard is off"
        return [Check("ports", Status.OK, found)]
    try:
        with socket.create_server((host, port)):
            return [Check("ports", Status.OK, f"{host}:{port} is free")]
    except OSError as error:
        remedy = "write another dashboard.port, or 0 for any free one"
        return [Check("ports", Status.FAIL, f"{host}:{port} cannot be used ({error.strerror})", remedy)]
