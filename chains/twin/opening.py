"""Tokens at their real addresses, and every recorded pool created by its real factory and brought to its state.

Each pool is checked from the logs the real bytecode emitted; one that differs is dropped, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.assets import Address, address
from chains.twin.accounts import BUILDER, MINTER
from chains.twin.artefacts import multicall3_runtime, own_contract, weth9_runtime
from chains.twin.data import Family, RecordedPair, RecordedPool, RecordedV3Pool, Snapshot
from chains.twin.deploy import GAS_PRICE_WEI, SUSHI_V2_FACTORY, UNISWAP_V2_FACTORY, UNISWAP_V3_FACTORY, call_data
from chains.twin.layout import MULTICALL3, TWIN_TOKEN, WETH9, layout_of, short_text_word, slot, word

Progress = Callable[[str, float], None]
"""Told what is being done, and how much of the whole is (0 to 1)."""

FILLED_SPACINGS = 256
"""A V3 pool's recorded active liquidity is laid over this many tick spacings on either side of its tick."""

_FACTORY = {Family.UNISWAP_V2: UNISWAP_V2_FACTORY, Family.SUSHI_V2: SUSHI_V2_FACTORY}
_MIN_TICK, _MAX_TICK = -887_272, 887_272
_MINTER_PURSE = 1 << 200
_CALLS_PER_BATCH = 250
_CREATE_PAIR_GAS, _SYNC_GAS, _OPEN_GAS = 4_000_000, 200_000, 9_000_000

_PAIR_CREATED = keccak(text="PairCreated(address,address,address,uint256)")
_POOL_CREATED = keccak(text="PoolCreated(address,address,uint24,int24,address)")
_SYNC = keccak(text="Sync(uint112,uint112)")
_INITIALIZE = keccak(text="Initialize(uint160,int24)")
_V3_MINT = keccak(text="Mint(address,address,int24,int24,uint128,uint256,uint256)")

_Pool = TypeVar("_Pool", RecordedPair, RecordedV3Pool)
RpcCall = tuple[str, Sequence[Any]]


@dataclass(slots=True)
class Opening:
    """What was opened: the pools whose state is exactly the recorded one, the others with a reason, and supplies."""

    pools: list[RecordedPool] = field(default_factory=list)
    dropped: dict[Address, str] = field(default_factory=dict)
    supply: defaultdict[Address, int] = field(default_factory=lambda: defaultdict(int))


def filled_range(pool: RecordedV3Pool) -> tuple[int, int]:
    """Lower and upper tick of the position that carries the pool's liquidity, aligned and clipped to usable ticks."""
    spacing = pool.tick_spacing
    middle = pool.tick // spacing * spacing
    lowest, highest = -(-_MIN_TICK // spacing) * spacing, _MAX_TICK // spacing * spacing
    return max(middle - FILLED_SPACINGS * spacing, lowest), min(middle + FILLED_SPACINGS * spacing, highest)


async def write_contracts(anvil: Anvil, snapshot: Snapshot) -> None:
    """Write WETH9, Multicall3, our minter and every token of the snapshot at their addresses. Raises `MissingTool`."""
    twin_token = "0x" + own_contract("TwinToken", "deployedBytecode").hex()
    calls: list[RpcCall] = [
        ("anvil_setCode", [MULTICALL3, "0x" + multicall3_runtime().hex()]),
        ("anvil_setCode", [MINTER, "0x" + own_contract("TwinMinter", "deployedBytecode").hex()]),
        ("anvil_setCode", [WETH9, "0x" + weth9_runtime().hex()]),
        *_described(WETH9, "WETH", "Wrapped Ether", 18),
    ]
    pool_addresses = {pool.address for pool in snapshot.pools}
    for token in snapshot.tokens.values():
        if token.address == WETH9 or token.address in pool_addresses:
            continue
        calls.append(("anvil_setCode", [token.address, twin_token]))
        calls += _described(token.address, token.symbol, token.symbol, token.decimals)
    await in_batches(anvil, calls)


def _described(token: Address, symbol: str, name: str, decimals: int) -> Iterable[RpcCall]:
    layout = layout_of(token)
    yield "anvil_setStorageAt", [token, slot(layout.symbol), short_text_word(symbol)]
    yield "anvil_setStorageAt", [token, slot(layout.name), short_text_word(name)]
    yield "anvil_setStorageAt", [token, slot(layout.decimals), word(decimals)]


def set_balance(token: Address, account: Address, units: int) -> RpcCall:
    """The call that writes an account's balance of a token of the twin."""
    return "anvil_setStorageAt", [token, slot(layout_of(token).balance_slot(account)), word(units)]


def set_supply(token: Address, units: int) -> RpcCall:
    """The call that writes a token's total supply; for WETH9 that is the contract's ether."""
    if token == WETH9:
        return "anvil_setBalance", [WETH9, hex(units)]
    assert TWIN_TOKEN.total_supply is not None
    return "anvil_setStorageAt", [token, slot(TWIN_TOKEN.total_supply), word(units)]


async def open_pools(anvil: Anvil, snapshot: Snapshot, progress: Progress) -> Opening:
    """Create every recorded pool and load its state. Raises `AnvilFailed`, `RpcError`."""
    opening = Opening()
    pool_addresses = {pool.address for pool in snapshot.pools}
    pairs: list[RecordedPair] = []
    concentrated: list[RecordedV3Pool] = []
    for pool in snapshot.pools:
        inner = next((token for token in pool.tokens if token in pool_addresses), None)
        if inner:
            opening.dropped[pool.address] = f"its token {inner} is itself a pool of the snapshot"
        elif isinstance(pool, RecordedPair):
            pairs.append(pool)
        else:
            concentrated.append(pool)
    await anvil.rpc("anvil_impersonateAccount", BUILDER)
    await anvil.rpc("anvil_setBalance", BUILDER, hex(10**30))
    progress("opening constant-product pairs", 0.2)
    await _open_pairs(anvil, pairs, opening)
    progress("opening concentrated pools", 0.4)
    await _open_concentrated(anvil, concentrated, opening)
    return opening


async def _open_pairs(anvil: Anvil, pairs: Sequence[RecordedPair], opening: Opening) -> None:
    create = [(_FACTORY[pair.family], call_data("createPair(address,address)", *pair.tokens)) for pair in pairs]
    created = {}
    for log in await send(anvil, create, _CREATE_PAIR_GAS, [_PAIR_CREATED]):
        factory, (pair_address, _) = address(log["address"]), decode(["address", "uint256"], _data(log))
        created[factory, _topic_address(log, 1), _topic_address(log, 2)] = address(pair_address)
    matching = _matching(pairs, lambda pair: created.get((_FACTORY[pair.family], *pair.tokens)), opening)
    await in_batches(
        anvil,
        [
            set_balance(token, pair.address, reserve)
            for pair in matching
            for token, reserve in zip(pair.tokens, pair.reserves, strict=True)
        ],
    )
    synced: dict[Address, tuple[int, int]] = {}
    for log in await send(anvil, [(pair.address, call_data("sync()")) for pair in matching], _SYNC_GAS, [_SYNC]):
        reserve0, reserve1 = decode(["uint112", "uint112"], _data(log))
        synced[address(log["address"])] = (reserve0, reserve1)
    for pair in matching:
        if synced.get(pair.address) != pair.reserves:
            opening.dropped[pair.address] = f"its reserves came out as {synced.get(pair.address)}"
            continue
        opening.pools.append(pair)
        for token, reserve in zip(pair.tokens, pair.reserves, strict=True):
            opening.supply[token] += reserve


async def _open_concentrated(anvil: Anvil, pools: Sequence[RecordedV3Pool], opening: Opening) -> None:
    tokens = sorted({token for pool in pools for token in pool.tokens})
    await in_batches(anvil, [set_balance(token, MINTER, _MINTER_PURSE) for token in tokens])
    signature = "open(address,address,address,uint24,uint160,int24,int24,uint128)"
    opens = [
        (
            MINTER,
            call_data(
                signature,
                UNISWAP_V3_FACTORY,
                *pool.tokens,
                pool.fee_ppm,
                pool.sqrt_price_x96,
                *filled_range(pool),
                pool.liquidity,
            ),
        )
        for pool in pools
    ]
    created: dict[tuple[Address, Address, int], Address] = {}
    prices: dict[Address, tuple[int, int]] = {}
    liquidity: dict[Address, int] = {}
    for log in await send(anvil, opens, _OPEN_GAS, [_POOL_CREATED, _INITIALIZE, _V3_MINT]):
        topic = bytes.fromhex(log["topics"][0][2:])
        if topic == _POOL_CREATED:
            _, pool_address = decode(["int24", "address"], _data(log))
            fee_ppm = int(log["topics"][3], 16)
            created[_topic_address(log, 1), _topic_address(log, 2), fee_ppm] = address(pool_address)
        elif topic == _INITIALIZE:
            sqrt_price_x96, tick = decode(["uint160", "int24"], _data(log))
            prices[address(log["address"])] = (sqrt_price_x96, tick)
        else:
            _, amount, _, _ = decode(["address", "uint128", "uint256", "uint256"], _data(log))
            liquidity[address(log["address"])] = amount
    for pool in _matching(pools, lambda pool: created.get((*pool.tokens, pool.fee_ppm)), opening):
        found = (*prices.get(pool.address, ()), liquidity.get(pool.address))
        if found == (pool.sqrt_price_x96, pool.tick, pool.liquidity):
            opening.pools.append(pool)
        else:
            opening.dropped[pool.address] = f"its price, tick and liquidity came out as {found}"
    left = await anvil.batch(
        [("eth_getStorageAt", [token, slot(layout_of(token).balance_slot(MINTER)), "latest"]) for token in tokens]
    )
    await in_batches(anvil, [set_balance(token, MINTER, 0) for token in tokens])
    for token, rest in zip(tokens, left, strict=True):
        opening.supply[token] += _MINTER_PURSE - int(rest, 16)


def _matching(pools: Sequence[_Pool], created_at: Callable[[_Pool], Address | None], opening: Opening) -> list[_Pool]:
    """The pools that landed at their recorded address."""
    matching = []
    for pool in pools:
        found = created_at(pool)
        if found == pool.address:
            matching.append(pool)
        else:
            opening.dropped[pool.address] = f"its factory created it at {found}" if found else "it was not created"
    return matching


async def send(
    anvil: Anvil, calls: Sequence[tuple[Address, str]], gas: int, topics: Sequence[bytes]
) -> list[Mapping[str, Any]]:
    """Send one transaction per call from the builder, mine them, and return the logs with one of `topics`."""
    nonce = int(await anvil.rpc("eth_getTransactionCount", BUILDER, "latest"), 16)
    first = int(await anvil.rpc("eth_blockNumber"), 16) + 1
    await in_batches(
        anvil,
        [
            (
                "eth_sendTransaction",
                [
                    {
                        "from": BUILDER,
                        "to": to,
                        "data": data,
                        "gas": hex(gas),
                        "gasPrice": hex(GAS_PRICE_WEI),
                        "nonce": hex(nonce + i),
                    }
                ],
            )
            for i, (to, data) in enumerate(calls)
        ],
    )
    await anvil.rpc("evm_mine", timeout_s=120)
    wanted = ["0x" + topic.hex() for topic in topics]
    logs: list[Mapping[str, Any]] = await anvil.rpc(
        "eth_getLogs", {"fromBlock": hex(first), "toBlock": "latest", "topics": [wanted]}
    )
    return logs


async def in_batches(anvil: Anvil, calls: Sequence[RpcCall]) -> None:
    """Many calls, a few hundred per request, answers not wanted. Raises `AnvilFailed`, `RpcError`."""
    for start in range(0, len(calls), _CALLS_PER_BATCH):
        await anvil.batch(calls[start : start + _CALLS_PER_BATCH])


def _data(log: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(log["data"][2:])


def _topic_address(log: Mapping[str, Any], index: int) -> Address:
    return address("0x" + log["topics"][index][-40:])
