"""Builds the twin's state file once, keeps it, and builds it again when it is stale or damaged."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from chains.anvil import Anvil
from chains.files import put_whole
from chains.tools import foundry
from chains.twin.accounts import CROWD, CROWD_SINK, TRADERS
from chains.twin.artefacts import multicall3_runtime, own_contract
from chains.twin.data import POOLS_FILE, SNAPSHOT_BLOCK, SNAPSHOT_TIME_S, snapshot
from chains.twin.deploy import DEPLOYMENTS, deploy_protocols
from chains.twin.errors import CorruptSnapshot, TwinUnavailable
from chains.twin.inventory import endow, holdings
from chains.twin.manifest import manifest, read_manifest
from chains.twin.market import PoolView
from chains.twin.memory import HISTORY_S, grow_memories
from chains.twin.opening import Opening, Progress, in_batches, open_pools, set_supply, write_contracts
from chains.twin.parameters import CrowdParameters, TraderParameters
from chains.twin.prices import PricePath
from chains.twin.traded import TradedMarket

CHAIN_ID = 31337
GAS_LIMIT = 30_000_000
STATE_FILE, MANIFEST_FILE = "state.json", "manifest.json"

_BUILD_BLOCKS = len(DEPLOYMENTS) + 6
_BUILD_GAS_LIMIT = 10**11
_SHAPES_THE_STATE = (
    *("accounts", "anchors", "artefacts", "build", "data", "deploy", "inventory", "layout", "manifest", "market"),
    *("memory", "opening", "parameters", "prices", "traded"),
)


@dataclass(frozen=True, slots=True)
class TwinState:
    """A built twin on disk."""

    state_file: Path
    manifest_file: Path
    manifest: Mapping[str, Any]


def _no_progress(what: str, share: float) -> None:
    """Tells nobody."""


async def ensure_state(folder: Path, progress: Progress = _no_progress) -> TwinState:
    """The state kept in `folder`; built first if there is none, or if it is stale or damaged.

    Several processes may ask at once: one builds, the others wait.
    Raises `TwinUnavailable`, `MissingTool`, `AnvilFailed`.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        async with _lock(folder / "lock"):
            stamp = build_stamp()
            kept = _kept(folder, stamp)
            if isinstance(kept, TwinState):
                return kept
            progress(f"building the twin: {kept}", 0.0)
            return await _build(folder, stamp, progress)
    except OSError as error:
        raise TwinUnavailable(f"the twin's state cannot be kept in {folder}: {error.strerror or error}") from error


def build_stamp() -> str:
    """A hash of everything the state file is made from. Raises `MissingTool`, `CorruptSnapshot`."""
    digest = hashlib.sha256(f"anvil of {foundry('anvil').stat().st_size} bytes".encode())
    here = Path(__file__).parent
    for file in (*(here / f"{name}.py" for name in _SHAPES_THE_STATE), POOLS_FILE):
        digest.update(hashlib.sha256(_part(file)).digest())
    own = (own_contract("TwinToken"), own_contract("TwinMinter"), multicall3_runtime())
    for code in (*own, *(deployment.code() for deployment in DEPLOYMENTS)):
        digest.update(hashlib.sha256(code).digest())
    return digest.hexdigest()


def _part(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CorruptSnapshot(f"{file} cannot be read ({error.strerror}); restore it with git checkout") from error


def _kept(folder: Path, stamp: str) -> TwinState | str:
    """The state in `folder` if it is whole and current; otherwise why it is not."""
    state_file, manifest_file = folder / STATE_FILE, folder / MANIFEST_FILE
    if not (state_file.is_file() and manifest_file.is_file()):
        return f"there is none in {folder} yet"
    try:
        read = read_manifest(manifest_file)
    except ValueError:
        return f"{manifest_file} is damaged"
    if read["stamp"] != stamp:
        return f"what {state_file} was made from has changed"
    if _sha256(state_file.read_bytes()) != read.get("state_sha256"):
        return f"{state_file} is damaged"
    return TwinState(state_file, manifest_file, read)


async def _build(folder: Path, stamp: str, progress: Progress) -> TwinState:
    market = snapshot()
    anvil = Anvil(
        [
            *("--no-mining", "--order", "fifo", "--chain-id", str(CHAIN_ID)),
            *("--gas-limit", str(_BUILD_GAS_LIMIT), "--block-base-fee-per-gas", "0"),
            *("--number", str(SNAPSHOT_BLOCK - _BUILD_BLOCKS)),
            *("--timestamp", str(SNAPSHOT_TIME_S - HISTORY_S - _BUILD_BLOCKS)),
        ]
    )
    async with anvil:
        await anvil.rpc("anvil_setBlockTimestampInterval", 1)
        progress("deploying the protocols", 0.05)
        await deploy_protocols(anvil)
        progress("writing tokens", 0.1)
        await write_contracts(anvil, market)
        opening = await open_pools(anvil, market, progress)
        await grow_memories(anvil, opening.pools)
        progress("giving traders their inventory", 0.6)
        await _endow(anvil, opening, TradedMarket(market, opening.pools, TraderParameters(), PricePath()).traded)
        head = await _last_block(anvil)
        progress("writing the state", 0.8)
        dump = await anvil.rpc("anvil_dumpState", timeout_s=120)
    state = await asyncio.to_thread(_without_traces, dump)
    described = manifest(
        market, opening, chain_id=CHAIN_ID, head=head, stamp=stamp, state_sha256=await asyncio.to_thread(_sha256, state)
    )
    manifest_file = folder / MANIFEST_FILE
    manifest_file.unlink(missing_ok=True)
    put_whole(folder / STATE_FILE, state)
    put_whole(manifest_file, orjson.dumps(described, option=orjson.OPT_INDENT_2))
    progress("the twin is built", 1.0)
    return TwinState(folder / STATE_FILE, manifest_file, described)


async def _endow(anvil: Anvil, opening: Opening, traded: Sequence[PoolView]) -> None:
    """Traders' inventories, the crowd, and every token's total supply."""
    held = holdings(traded)
    for holding in held:
        opening.supply[holding.token] += holding.units * len(TRADERS)
    await in_batches(
        anvil,
        [
            *endow(held),
            *(set_supply(token, units) for token, units in opening.supply.items()),
            ("anvil_setBalance", [CROWD, hex(10**24)]),
            ("anvil_setCode", [CROWD_SINK, "0xfe"]),
        ],
    )


async def _last_block(anvil: Anvil) -> Mapping[str, Any]:
    """Mine the empty block the twin opens with, shaped so that the first block after it has the usual base fee."""
    opening_base_fee = CrowdParameters().base_fee_wei * 8 // 7
    await anvil.rpc("evm_setBlockGasLimit", hex(GAS_LIMIT))
    await anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(opening_base_fee))
    await anvil.rpc("evm_setNextBlockTimestamp", hex(SNAPSHOT_TIME_S))
    await anvil.rpc("evm_mine")
    head: Mapping[str, Any] = await anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert (int(head["number"], 16), int(head["timestamp"], 16)) == (SNAPSHOT_BLOCK, SNAPSHOT_TIME_S), head
    return head


def _without_traces(dump: str) -> bytes:
    """The state as Anvil loads it. Its history stays, with the logs pools are discovered by, but not how it ran."""
    state = orjson.loads(gzip.decompress(bytes.fromhex(dump[2:])))
    for transaction in state["transactions"]:
        transaction["info"]["traces"] = []
    return orjson.dumps(state)


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@asynccontextmanager
async def _lock(file: Path) -> AsyncIterator[None]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
