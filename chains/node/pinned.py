"""Reads at a block hash, also from endpoints that only know numbers: there the hash is looked at before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chains.anvil import RpcError
from chains.node.endpoint import Endpoint
from chains.node.refusals import Meaning, meaning

_NOT_FOUND = -32001


async def ask_pinned(endpoint: Endpoint, method: str, params: Sequence[Any]) -> Any:
    """`Endpoint.ask`, by number where the endpoint does not take a block's hash. Raises as it does."""
    place = next((at for at, param in enumerate(params) if isinstance(param, dict) and "blockHash" in param), None)
    if place is None:
        return await endpoint.ask(method, *params)
    if endpoint.hash_parameters:
        try:
            return await endpoint.ask(method, *params)
        except RpcError as error:
            if meaning(error, method, True) is not Meaning.NO_HASH_PARAMETER:
                raise
            endpoint.hash_parameters = False
    return await _by_number(endpoint, method, params, place)


async def _by_number(endpoint: Endpoint, method: str, params: Sequence[Any], place: int) -> Any:
    block_hash = params[place]["blockHash"]
    document = await endpoint.ask("eth_getBlockByHash", block_hash, False)
    if document is None:
        raise _not_found(method, block_hash)
    number = endpoint.read_header(document).head.number
    await _require_canonical(endpoint, method, number, block_hash)
    result = await endpoint.ask(method, *params[:place], _numbered(params[place], number), *params[place + 1 :])
    await _require_canonical(endpoint, method, number, block_hash)
    return result


def _numbered(parameter: dict[str, Any], number: int) -> Any:
    """The parameter with the height in place of the hash: a block, or a filter of logs."""
    rest = {name: value for name, value in parameter.items() if name not in ("blockHash", "requireCanonical")}
    return {**rest, "fromBlock": hex(number), "toBlock": hex(number)} if rest else hex(number)


async def _require_canonical(endpoint: Endpoint, method: str, number: int, block_hash: str) -> None:
    found = await endpoint.header_by_number(number)
    if found is None or found.head.hash != block_hash:
        raise _not_found(method, block_hash)


def _not_found(method: str, block_hash: str) -> RpcError:
    return RpcError(method, _NOT_FOUND, f"block not found: {block_hash} is not canonical there")
