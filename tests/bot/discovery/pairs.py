"""Real pairs on the twin's chain, made by the real factory."""

from __future__ import annotations

from chains.anvil import Anvil
from chains.assets import Address, address
from chains.discovery.layouts import V2_PAIR_CREATED
from chains.networks import load_network
from chains.node import wire
from chains.twin.accounts import BUILDER
from chains.twin.deploy import GAS_PRICE_WEI, UNISWAP_V2_FACTORY, call_data
from chains.twin.opening import in_batches, set_balance

WETH, DAI = (Address(load_network("twin").token(name).address) for name in ("WETH", "DAI"))


async def send(anvil: Anvil, to: str | None, data: str, gas: int = 6_000_000) -> str:
    """Send a transaction from the builder; it is in the next block. Its hash."""
    await anvil.rpc("anvil_impersonateAccount", BUILDER)
    await anvil.rpc("anvil_setBalance", BUILDER, hex(10**30))
    message = {"from": BUILDER, "data": data, "gas": hex(gas), "gasPrice": hex(GAS_PRICE_WEI)}
    return await anvil.rpc("eth_sendTransaction", message | ({"to": to} if to else {}))


async def create_pair(anvil: Anvil, first: Address, second: Address, factory: Address = UNISWAP_V2_FACTORY) -> Address:
    """A new pair, in a block of its own."""
    await send(anvil, factory, call_data("createPair(address,address)", first, second))
    await anvil.rpc("evm_mine")
    head = await anvil.rpc("eth_getBlockByNumber", "latest", False)
    topics = [["0x" + V2_PAIR_CREATED.hex()]]
    (log,) = await anvil.rpc("eth_getLogs", {"blockHash": head["hash"], "topics": topics})
    return address("0x" + wire.log(log).data[12:32].hex())


async def fill(anvil: Anvil, pair: Address, reserves: dict[Address, int]) -> None:
    """Give a pair its reserves, in a block of their own."""
    await in_batches(anvil, [set_balance(token, pair, units) for token, units in reserves.items()])
    await send(anvil, pair, call_data("sync()"))
    await anvil.rpc("evm_mine")


def unpaired(token_of: Address, pools: set[frozenset[Address]], tokens: list[Address]) -> Address:
    """A token that has no pair with `token_of` yet."""
    return next(token for token in tokens if token != token_of and frozenset((token, token_of)) not in pools)
